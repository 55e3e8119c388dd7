// @sentry/node in an app whose minified script has a debug id: the error is of that script.
const Sentry = require('@sentry/node');

Sentry.init({ dsn: process.env.SENTRY_DSN, environment: 'e2e-sentry' });
Sentry.setTag('run', process.env.MARKER);

(async () => {
  try {
    require(process.env.SCRIPT)();
  } catch (error) {
    Sentry.captureException(error);
  }
  await Sentry.flush(10000);
  console.log(JSON.stringify({ marker: process.env.MARKER }));
})();
