// CloudWatch Logs: every AWS SDK of today reads a service's endpoint from a variable. The name is CLOUDWATCH_LOGS; LOGS
// alone is read by none.
import type { Step, Vendor } from './types';

const keys: [string, string][] = [
  ['AWS_ACCESS_KEY_ID', 'any'],
  ['AWS_SECRET_ACCESS_KEY', 'any'],
];

const address = (region: string, note?: string): Step => ({
  kind: 'env',
  title: 'Where to send',
  variables: [['AWS_ENDPOINT_URL_CLOUDWATCH_LOGS', '{http}'], [region, '{region}'], ...keys],
  note,
});

const general = 'Any key is taken; keep those you have for other services. Live tail through an SDK needs AWS_DISABLE_HOST_PREFIX_INJECTION=true too.';

export const cloudwatch: Vendor = {
  id: 'cloudwatch',
  name: 'CloudWatch Logs',
  receiver: 'cloudwatch',
  change: 'Set one endpoint variable; groups and streams are made as the app asks for them.',
  languages: {
    python: [
      address('AWS_DEFAULT_REGION', 'Read by boto3 since 1.28; update it if it is older. boto3 does not read AWS_REGION. Any key is taken.'),
      {
        kind: 'text',
        title: 'With watchtower',
        text: "import logging, watchtower\n\nlogging.getLogger().addHandler(watchtower.CloudWatchLogHandler(log_group_name='my-service'))",
        note: 'Lines leave after 60 s or when the program ends; send_interval=5 is kinder while trying. When X-Ray patches boto3, make the handler before patch_all().',
      },
    ],
    node: [
      address('AWS_REGION', general),
      {
        kind: 'text',
        title: 'In code, where variables cannot be set',
        text: "const logs = new CloudWatchLogsClient({ endpoint: '{http}', region: '{region}' });",
      },
    ],
    java: [
      address('AWS_REGION', general),
      {
        kind: 'text',
        title: 'In code, where variables cannot be set',
        text: 'CloudWatchLogsClient logs = CloudWatchLogsClient.builder()\n    .endpointOverride(URI.create("{http}"))\n    .region(Region.of("{region}"))\n    .build();',
      },
    ],
    go: [
      address('AWS_REGION', general),
      {
        kind: 'text',
        title: 'In code, where variables cannot be set',
        text: 'client := cloudwatchlogs.NewFromConfig(cfg, func(o *cloudwatchlogs.Options) {\n\to.BaseEndpoint = aws.String("{http}")\n})',
      },
    ],
    ruby: [
      address('AWS_REGION', general),
      {
        kind: 'text',
        title: 'In code, where variables cannot be set',
        text: "logs = Aws::CloudWatchLogs::Client.new(endpoint: '{http}', region: '{region}')",
      },
    ],
    dotnet: [
      address('AWS_REGION', general),
      {
        kind: 'text',
        title: 'In code, where variables cannot be set',
        text: 'var logs = new AmazonCloudWatchLogsClient(new AmazonCloudWatchLogsConfig\n{\n    ServiceURL = "{http}",\n    AuthenticationRegion = "{region}",\n});',
      },
    ],
  },
  tryIt: {
    kind: 'text',
    title: 'Send one line by hand, with the AWS CLI',
    text: `export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION={region}
aws --endpoint-url {http} logs create-log-group --log-group-name hello
aws --endpoint-url {http} logs create-log-stream --log-group-name hello --log-stream-name shell
aws --endpoint-url {http} logs put-log-events --log-group-name hello --log-stream-name shell \\
  --log-events timestamp=$(date +%s)000,message='hello from the shell'`,
  },
};
