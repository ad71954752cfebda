import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseSources } from './load.ts';
import type { Sources } from './sources.ts';

async function parse(text: string): Promise<Sources> {
  return parseSources(text, { name: 'sources.yml', readFile: () => Promise.reject(new Error('no files here')) });
}

test('mirrors: hosts in order, each with the place of its content and whether it may resolve tags', async (t) => {
  const { mirrors } = await parse(`mirrors:
  docker.io:
  - host: Mirror.Example:5000
    path: dockerhub
  - {host: cache.example, resolve: true}
  - {host: other.example, path: /proxies/hub/, resolve: false}
  QUAY.io:443: []
  "[fc00::1]:5000": [{host: "[fc00::2]"}]
  ghcr.io: ~
  harbor.example: [{host: harbor.example, path: proxy}]
  1.2: [{host: 10.0.0.1, path: 12, resolve: ~}]
`);
  t.same(
    [...(mirrors ?? [])],
    [
      [
        'docker.io',
        [
          { host: 'mirror.example:5000', path: 'dockerhub', resolve: false },
          { host: 'cache.example', path: '', resolve: true },
          { host: 'other.example', path: 'proxies/hub', resolve: false },
        ],
      ],
      ['quay.io', []],
      ['[fc00::1]:5000', [{ host: '[fc00::2]', path: '', resolve: false }]],
      ['ghcr.io', []],
      ['harbor.example', [{ host: 'harbor.example', path: 'proxy', resolve: false }]],
      ['1.2', [{ host: '10.0.0.1', path: '12', resolve: false }]],
    ],
  );
  for (const text of ['', 'mirrors:', 'mirrors: {}', 'insecure_sources: [a]']) {
    t.equal((await parse(text)).mirrors?.size, 0, JSON.stringify(text));
  }
});

test('mirrors: every problem at once, with its line', async (t) => {
  const text = `mirrors:
  docker.io:
  - host: https://mirror.example
  - path: dockerhub
  - host: mirror.example
    path: Docker Hub
    resolve: "true"
  - {host: mirror.example, reslove: true}
  - mirror.example
  index.docker.io: [{host: mirror.example, path: "a:b"}]
  "*.example": [{host: "mirror.example:99999"}]
  quay.io: mirror.example
  quay: []
  ghcr.io:
  - {host: GHCR.io:443}
  - {host: [1], path: {}, resolve: yes}
`;
  const error: unknown = await parse(text).catch((thrown: unknown) => thrown);
  t.match(error, { code: 'sources-invalid' });
  t.equal(
    error instanceof ArtifactError ? error.message : '',
    `error while loading sources from sources.yml: 16 problems
  line 3: mirrors.docker.io[0].host: invalid value, expected host or host:port, as in mirror.example:5000
  line 4: mirrors.docker.io[1]: missing field \`host\`
  line 6: mirrors.docker.io[2].path: invalid value, expected the beginning of a repository, as in proxies/dockerhub
  line 7: mirrors.docker.io[2].resolve: invalid type: string "true", expected a boolean
  line 8: mirrors.docker.io[3].reslove: unknown field \`reslove\`, expected \`host\`, \`path\` or \`resolve\`
  line 9: mirrors.docker.io[4]: invalid type: string "mirror.example", expected a map with \`host\`
  line 10: mirrors.index.docker.io: the mirrors of docker.io are named above already
  line 10: mirrors.index.docker.io[0].path: invalid value, expected the beginning of a repository, as in proxies/dockerhub
  line 11: mirrors.*.example: invalid registry, expected the host of image references, as in docker.io or quay.io:5000
  line 11: mirrors.*.example[0].host: invalid value, expected host or host:port, as in mirror.example:5000
  line 12: mirrors.quay.io: invalid type: string "mirror.example", expected a sequence
  line 13: mirrors.quay: invalid registry, expected the host of image references, as in docker.io or quay.io:5000
  line 15: mirrors.ghcr.io[0].host: a registry is no mirror of itself, expected another host or a \`path\`
  line 16: mirrors.ghcr.io[1].host: invalid type: sequence, expected a string
  line 16: mirrors.ghcr.io[1].path: invalid type: map, expected a string
  line 16: mirrors.ghcr.io[1].resolve: invalid type: string "yes", expected a boolean`,
  );
});
