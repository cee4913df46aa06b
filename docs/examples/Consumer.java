// A sketch: grpc-netty-shaded, grpc-protobuf, grpc-stub, and the protobuf plugin of Maven or Gradle
// over codec/proto.

import cenc.v1.Acknowledge;
import cenc.v1.Event;
import cenc.v1.EventsRequest;
import cenc.v1.EventsResponse;
import cenc.v1.NorthboundGrpc;
import cenc.v1.Subscribe;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public final class Consumer {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    public static void main(String[] arguments) throws Exception {
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + Files.readString(Path.of("hes.token")).trim());
        ManagedChannel channel = NettyChannelBuilder.forAddress("cencd.example", 9192)
                .keepAliveTime(30, TimeUnit.SECONDS)
                .keepAliveTimeout(20, TimeUnit.SECONDS)
                .build();
        NorthboundGrpc.NorthboundStub stub = NorthboundGrpc.newStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        while (true) {
            CountDownLatch over = new CountDownLatch(1);
            stub.events(new Stream(over));
            over.await();
            Thread.sleep(1000);
        }
    }

    private static final class Stream
            implements ClientResponseObserver<EventsRequest, EventsResponse> {
        private final CountDownLatch over;
        private ClientCallStreamObserver<EventsRequest> requests;

        Stream(CountDownLatch over) {
            this.over = over;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<EventsRequest> stream) {
            requests = stream;
            requests.setOnReadyHandler(new Runnable() {
                private boolean begun;

                @Override
                public void run() {
                    if (!begun) {
                        requests.onNext(EventsRequest.newBuilder()
                                .setSubscribe(Subscribe.getDefaultInstance()).build());
                    }
                    begun = true;
                }
            });
        }

        @Override
        public void onNext(EventsResponse response) {
            store(response.getEventsList()); // one transaction, by (node, sequence)
            requests.onNext(EventsRequest.newBuilder().setAcknowledge(
                    Acknowledge.newBuilder().setSequence(response.getThrough())).build());
        }

        @Override
        public void onError(Throwable error) {
            System.err.println(Status.fromThrowable(error));
            over.countDown();
        }

        @Override
        public void onCompleted() {
            over.countDown();
        }
    }

    private static void store(List<Event> events) {
        for (Event event : events) {
            System.out.println(event.getSequence() + " " + event.getBodyCase());
        }
    }
}
