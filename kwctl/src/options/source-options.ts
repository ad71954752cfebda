import type { OptionSpec } from '../command-line/command.ts';

/**
 * Options of every command that asks a registry.
 *
 * @param folderName - what the help calls the folder of the credentials; two commands have another name for it.
 */
export function sourceOptions(folderName: 'PATH' | 'DOCKER_CONFIG' = 'PATH'): readonly OptionSpec[] {
  return [
    {
      id: 'docker-config-json-path',
      valueName: folderName,
      completes: 'folder',
      help: 'Directory that holds the Docker config.json with registry credentials',
    },
    {
      id: 'sources-path',
      valueName: 'PATH',
      completes: 'file',
      help: 'YAML file with source information (https, registry insecure hosts, custom CAs)',
    },
  ];
}

/** The last paragraph of the long help of commands that download or upload policies. */
export const PROXY_HELP = `Proxies are taken from the sources file, else from the environment: HTTPS_PROXY for hosts asked over HTTPS, HTTP_PROXY
for those asked over plain HTTP, NO_PROXY for a comma-separated list of hosts, domains and networks that are asked
directly. The lower-case spellings work as well; upper case wins.`;
