import type { CommandSyntax } from '../../command-line/command.ts';
import { EVALUATION_OPTIONS } from '../../options/evaluation-options.ts';
import { JSON_OPTION } from '../../options/json-option.ts';
import { PROXY_HELP } from '../../options/source-options.ts';

export const DEFAULT_WARM_UP_SECONDS = 3;
export const DEFAULT_MEASUREMENT_SECONDS = 5;
export const DEFAULT_RESAMPLES = 100_000;
export const DEFAULT_SAMPLES = 100;

export const BENCH: CommandSyntax = {
  longAbout: `Measures how long a policy takes to validate its settings and to evaluate a request. Both are called over and over,
first to warm up, then in samples of growing size; times are those of one call. Intervals hold with 95 percent
confidence and are found by resampling.

The policy is named as for 'kwctl run'. Answers are not printed; one that is an error ends the benchmark.`,
  longAfter: PROXY_HELP,
  options: [
    ...EVALUATION_OPTIONS,
    {
      id: 'dump-results-to-disk',
      valueName: 'dump_results_to_disk',
      takes: 'attached',
      help: 'Write the results and all samples to a JSON file in the cache directory',
    },
    JSON_OPTION,
    {
      id: 'measurement-time',
      valueName: 'SECONDS',
      defaultText: String(DEFAULT_MEASUREMENT_SECONDS),
      help: 'How long to measure each function',
    },
    {
      id: 'num-resamples',
      valueName: 'NUM',
      defaultText: String(DEFAULT_RESAMPLES),
      help: 'How many resamples intervals are made from',
    },
    { id: 'num-samples', valueName: 'NUM', defaultText: String(DEFAULT_SAMPLES), help: 'How many samples to take' },
    {
      id: 'warm-up-time',
      valueName: 'SECONDS',
      defaultText: String(DEFAULT_WARM_UP_SECONDS),
      help: 'How long to call each function before measuring',
    },
  ],
  positionals: [
    {
      id: 'uri_or_sha_prefix_or_yaml_file',
      completes: 'file',
      help: 'Policy file, URI, prefix of the SHA-256 of a stored policy, or YAML file with policy resources',
    },
  ],
};
