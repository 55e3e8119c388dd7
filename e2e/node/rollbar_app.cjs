// rollbar for Node: an error twice and a message.
const Rollbar = require('rollbar');

const run = process.env.E2E_SERVICE;
const rollbar = new Rollbar({
  accessToken: '0'.repeat(32),
  endpoint: `${process.env.ROLLBAR_ENDPOINT}item/`,
  environment: 'e2e',
  captureUncaught: false,
  captureUnhandledRejections: false,
});

function charge(amount) {
  throw new RangeError(`cannot charge ${amount} in ${run}`);
}

const uuids = [];
const kept = (send) => new Promise((done, failed) => send((error, answer) => (error ? failed(error) : done(answer))));

(async () => {
  // From here on every stack begins in the event loop, the first one too.
  await null;
  for (const amount of [5, 70]) {
    try {
      charge(amount);
    } catch (error) {
      await kept((done) => uuids.push(rollbar.error(error, { amount }, done).uuid));
    }
  }
  await kept((done) => uuids.push(rollbar.warning(`a warning of ${run}`, done).uuid));
  console.log(JSON.stringify({ run, uuids, items: 3 }));
})();
