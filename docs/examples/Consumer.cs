// A sketch: packages Grpc.Net.Client, Google.Protobuf, Grpc.Tools; in the project file
//   <Protobuf Include="codec/proto/cenc/v1/*.proto" ProtoRoot="codec/proto" GrpcServices="Client" />

using Cenc.V1;
using Grpc.Core;
using Grpc.Net.Client;

var token = (await File.ReadAllTextAsync("hes.token")).Trim();
var headers = new Metadata { { "authorization", $"Bearer {token}" } };
using var channel = GrpcChannel.ForAddress("https://cencd.example:9192", new GrpcChannelOptions
{
    HttpHandler = new SocketsHttpHandler
    {
        KeepAlivePingDelay = TimeSpan.FromSeconds(30),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
    },
});
var client = new Northbound.NorthboundClient(channel);

// The first day: all devices, then events from the moment at which they were true. Later: from where
// it left off, so keep on disk that this is done.
Subscribe? firstDay = new Subscribe { Start = Start.Sequence, FromSequence = await ListDevices() };

while (true)
{
    try
    {
        using var call = client.Events(headers);
        await call.RequestStream.WriteAsync(new EventsRequest
        {
            Subscribe = firstDay ?? new Subscribe(),
        });
        await foreach (var response in call.ResponseStream.ReadAllAsync())
        {
            // one transaction: insert or ignore by (node, sequence)
            await Store(response.Events);
            await call.RequestStream.WriteAsync(new EventsRequest
            {
                Acknowledge = new Acknowledge { Sequence = response.Through },
            });
            if (firstDay != null && response.Through >= firstDay.FromSequence)
                firstDay = null; // it is known there how far this consumer is
        }
    }
    catch (RpcException error) when (error.StatusCode is StatusCode.OutOfRange)
    {
        // what comes next was removed: list the devices anew, then START_SEQUENCE from there
        throw;
    }
    catch (RpcException error)
    {
        Console.Error.WriteLine(error.Status);
    }
    await Task.Delay(TimeSpan.FromSeconds(1));
}

async Task<ulong> ListDevices()
{
    var request = new ListDevicesRequest();
    while (true)
    {
        var page = await client.ListDevicesAsync(request, headers);
        foreach (var record in page.Devices)
            Console.WriteLine($"{record.Device.Scope} {record.Device.Serial}");
        if (page.NextPageToken == "")
            return page.Sequence;
        request.PageToken = page.NextPageToken;
    }
}

static Task Store(IEnumerable<Event> events)
{
    foreach (var item in events)
        Console.WriteLine($"{item.Sequence} {item.BodyCase} {item.Device?.Serial}");
    return Task.CompletedTask;
}
