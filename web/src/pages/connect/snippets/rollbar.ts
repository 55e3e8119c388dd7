// Rollbar: no SDK reads the address from a variable; it is one argument. Python, .NET want the base with its last slash,
// the others the whole address of the items.
import type { Vendor } from './types';

export const rollbar: Vendor = {
  id: 'rollbar',
  name: 'Rollbar',
  receiver: 'rollbar',
  change: 'Add the endpoint where Rollbar is set up; the SDKs have no variable for it. Any token is taken.',
  languages: {
    python: [
      {
        kind: 'text',
        title: 'One argument',
        text: "rollbar.init('any-token', 'production', endpoint='{http}/api/1/')",
        note: 'The last slash matters.',
      },
      {
        kind: 'text',
        title: 'Or without touching the code: sitecustomize.py in a folder on PYTHONPATH',
        text: "import rollbar\n\nrollbar.SETTINGS['endpoint'] = '{http}/api/1/'",
        note: 'rollbar.init() leaves alone what it is not given.',
      },
      {
        kind: 'text',
        title: 'To have every error in its trace',
        text: 'pip install opentelemetry-instrumentation-threading opentelemetry-instrumentation-requests',
        note: 'Rollbar posts from a thread of its own. With both instrumentations active the post carries the trace of the request, and the link is exact.',
      },
    ],
    node: [
      {
        kind: 'text',
        title: 'One option',
        text: "const rollbar = new Rollbar({\n  accessToken: 'any-token',\n  environment: 'production',\n  endpoint: '{http}/api/1/item/',\n});",
        note: 'With OpenTelemetry in the same process the posts carry the trace of the request by themselves. In the browser it is the same option.',
      },
    ],
    java: [
      {
        kind: 'text',
        title: 'One call',
        text: 'Rollbar rollbar = Rollbar.init(\n    withAccessToken("any-token")\n        .environment("production")\n        .endpoint("{http}/api/1/item/")\n        .build());',
      },
    ],
    go: [
      {
        kind: 'text',
        title: 'One call',
        text: 'rollbar.SetToken("any-token")\nrollbar.SetEnvironment("production")\nrollbar.SetEndpoint("{http}/api/1/item/")',
      },
    ],
    ruby: [
      {
        kind: 'text',
        title: 'One line',
        text: "Rollbar.configure do |config|\n  config.access_token = 'any-token'\n  config.endpoint = '{http}/api/1/item/'\nend",
      },
    ],
    dotnet: [
      {
        kind: 'text',
        title: 'One property',
        text: 'var destination = new RollbarDestinationOptions("any-token", "production") { EndPoint = "{http}/api/1/" };\nvar config = new RollbarInfrastructureConfig();\nconfig.RollbarLoggerConfig.RollbarDestinationOptions.Reconfigure(destination);\nRollbarInfrastructure.Instance.Init(config);',
        note: 'The last slash matters.',
      },
    ],
  },
  tryIt: {
    kind: 'text',
    title: 'Send one error by hand',
    text: `curl {http}/api/1/item/ -H 'content-type: application/json' \\
  -H 'X-Rollbar-Access-Token: any-token' -d '{"data":{
  "environment":"production","level":"error",
  "body":{"trace":{"frames":[],"exception":{"class":"HelloError","message":"from the shell"}}}}}'`,
  },
};
