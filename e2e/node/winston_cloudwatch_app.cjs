// winston with its CloudWatch transport: 250 lines as JSON, shipped in batches, the rest when the program ends.
const winston = require('winston');
const WinstonCloudWatch = require('winston-cloudwatch');

const group = `/winston/${process.env.E2E_SERVICE}`;
const stream = 'web';
const lines = 250;
const transport = new WinstonCloudWatch({
  logGroupName: group,
  logStreamName: stream,
  awsRegion: process.env.AWS_DEFAULT_REGION,
  awsOptions: { endpoint: process.env.AWS_ENDPOINT_URL },
  uploadRate: 200,
  jsonMessage: true,
  ensureLogGroup: true,
  errorHandler: (error) => console.error(error),
});
const logger = winston.createLogger({ transports: [transport] });
for (let number = 0; number < lines; number++) logger.info('order', { number });
setTimeout(() => {
  transport.kthxbye(() => {
    console.log(JSON.stringify({ group, stream, lines }));
    process.exit(0);
  });
}, 1000);
