// The vendors, in the order they are offered.
import { cloudwatch } from './cloudwatch';
import { honeycomb } from './honeycomb';
import { opentelemetry } from './opentelemetry';
import { rollbar } from './rollbar';
import { xray } from './xray';
import type { Vendor } from './types';

export const VENDORS: Vendor[] = [opentelemetry, honeycomb, xray, cloudwatch, rollbar];
