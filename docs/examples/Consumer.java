// A sketch: grpc-netty-shaded, grpc-protobuf, grpc-stub, and the protobuf plugin of Maven or Gradle
// over codec/proto.

import cenc.v1.Acknowledge;
import cenc.v1.Event;
import cenc.v1.EventsRequest;
import cenc.v1.EventsResponse;
import cenc.v1.ListDevicesRequest;
import cenc.v1.ListDevicesResponse;
import cenc.v1.NorthboundGrpc;
import cenc.v1.Start;
import cenc.v1.Subscribe;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
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

    private static volatile Subscribe firstDay;

    public static void main(String[] arguments) throws Exception {
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + Files.readString(Path.of("hes.token")).trim());
        ManagedChannel channel = NettyChannelBuilder.forAddress("cencd.example", 9192)
                .keepAliveTime(30, TimeUnit.SECONDS)
                .keepAliveTimeout(20, TimeUnit.SECONDS)
                .build();
        Channel known = ClientInterceptors.intercept(
                channel, MetadataUtils.newAttachHeadersInterceptor(headers));
        NorthboundGrpc.NorthboundStub stub = NorthboundGrpc.newStub(known);
        // The first day: all devices, then events from the moment at which they were true. Later:
        // from where it left off, so keep on disk that this is done.
        firstDay = Subscribe.newBuilder().setStart(Start.START_SEQUENCE)
                .setFromSequence(listDevices(NorthboundGrpc.newBlockingStub(known))).build();
        while (true) {
            CountDownLatch over = new CountDownLatch(1);
            stub.events(new Stream(over));
            over.await();
            Thread.sleep(1000);
        }
    }

    private static long listDevices(NorthboundGrpc.NorthboundBlockingStub stub) {
        ListDevicesResponse page = ListDevicesResponse.getDefaultInstance();
        do {
            page = stub.listDevices(ListDevicesRequest.newBuilder()
                    .setPageToken(page.getNextPageToken()).build());
            page.getDevicesList().forEach(record ->
                    System.out.println(record.getDevice().getSerial()));
        } while (!page.getNextPageToken().isEmpty());
        return page.getSequence();
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
                                .setSubscribe(firstDay != null ? firstDay
                                        : Subscribe.getDefaultInstance()).build());
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
            if (firstDay != null && response.getThrough() >= firstDay.getFromSequence()) {
                firstDay = null; // it is known there how far this consumer is
            }
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
