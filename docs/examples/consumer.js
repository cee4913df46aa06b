// Takes the events of a cencd, writes each one as a line of JSON, and acknowledges what is on disk.
//
//     npm install @grpc/grpc-js @grpc/proto-loader
//     node consumer.js 127.0.0.1:9192 TOKEN events.jsonl [path to codec/proto]
'use strict';

const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, token, out, protos = path.join(__dirname, '../../codec/proto')] =
    process.argv.slice(2);
const definition = loader.loadSync('cenc/v1/northbound.proto', {
  includeDirs: [protos],
  longs: String,  // 64 bits don't fit into a number
  enums: String,
  oneofs: true,
});
const {cenc} = grpc.loadPackageDefinition(definition);
const client = new cenc.v1.Northbound(address, grpc.credentials.createInsecure(), {
  'grpc.keepalive_time_ms': 30000,
  'grpc.keepalive_timeout_ms': 20000,
});

// A line that a crash left half-written was not acknowledged: it comes again.
if (fs.existsSync(out))
  fs.truncateSync(out, fs.readFileSync(out).lastIndexOf('\n') + 1);
const file = fs.openSync(out, 'a');

function run() {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = client.events(metadata);
  call.on('data', (response) => {
    for (const event of response.events)
      fs.writeSync(file, JSON.stringify(event) + '\n');
    if (response.events.length > 0)
      fs.fsyncSync(file);
    call.write({acknowledge: {sequence: response.through}});
  });
  call.on('error', (error) => {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    const hopeless = [grpc.status.UNAUTHENTICATED, grpc.status.PERMISSION_DENIED,
                      grpc.status.INVALID_ARGUMENT, grpc.status.OUT_OF_RANGE];
    if (hopeless.includes(error.code))
      process.exit(1);
    setTimeout(run, 1000);
  });
  call.write({subscribe: {}});
}

run();
