/* What a codec answers. Codecs are pure functions over bytes: nothing here allocates, reads a
 * clock or keeps a global, and any thread may call anything with its own arguments. */
#ifndef CENCD_CODEC_RESULT_H
#define CENCD_CODEC_RESULT_H

enum codec_result {
    CODEC_OK = 0,
    CODEC_NEED_MORE, /* the input ends before the thing does */
    CODEC_INVALID,   /* the input breaks its format */
    CODEC_FULL,      /* it doesn't fit into the room given */
};

#define CODEC_MUST_CHECK __attribute__((warn_unused_result))

/* States what the code relies on; never used on input. Stays on in production. */
#define CODEC_CHECK(expression) ((expression) ? (void)0 : __builtin_trap())

#endif
