/* A shared object that is no plugin. */
extern const int cencd_no_plugin;

const int cencd_no_plugin = 1;
