// pino with a CloudWatch transport in its worker thread: 250 lines, shipped in batches.
const pino = require('pino');

const group = `/pino/${process.env.E2E_SERVICE}`;
const stream = 'web';
const lines = 250;
const transport = pino.transport({
  target: '@serdnam/pino-cloudwatch-transport',
  options: {
    logGroupName: group,
    logStreamName: stream,
    awsRegion: process.env.AWS_DEFAULT_REGION,
    awsAccessKeyId: process.env.AWS_ACCESS_KEY_ID,
    awsSecretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
    interval: 200,
  },
});
const logger = pino(transport);
for (let number = 0; number < lines; number++) logger.info({ number }, 'order');
setTimeout(() => {
  console.log(JSON.stringify({ group, stream, lines }));
  transport.end();
}, 1500);
