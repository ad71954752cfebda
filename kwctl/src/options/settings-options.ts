import type { OptionSpec } from '../command-line/command.ts';

/**
 * Options that bring the settings of a policy.
 *
 * @param both - what holds when both are given: one of them wins, or that is an error.
 */
export function settingsOptions(both: 'wins over --settings-json' | 'conflict'): readonly OptionSpec[] {
  return [
    { id: 'settings-json', valueName: 'VALUE', help: 'JSON string with the settings of the policy' },
    {
      id: 'settings-path',
      short: 's',
      valueName: 'PATH',
      completes: 'file',
      ...(both === 'conflict'
        ? { conflictsWith: ['settings-json'], help: 'JSON or YAML file with the settings of the policy' }
        : { help: `JSON or YAML file with the settings of the policy; ${both}` }),
    },
  ];
}
