// @sentry/node: an error twice, each within a span of its own.
const Sentry = require('@sentry/node');

const marker = process.env.MARKER;
Sentry.init({ dsn: process.env.SENTRY_DSN, tracesSampleRate: 1, environment: 'e2e-sentry', release: 'shop@1.2.3' });
Sentry.setTag('run', marker);

function buy(amount) {
  throw new TypeError(`cannot buy ${amount}`);
}

(async () => {
  await null;
  for (const amount of [5, 70]) {
    Sentry.startSpan({ name: `checkout-${marker}`, op: 'function' }, () => {
      try {
        buy(amount);
      } catch (error) {
        Sentry.captureException(error);
      }
    });
  }
  await Sentry.flush(10000);
  console.log(JSON.stringify({ marker }));
})();
