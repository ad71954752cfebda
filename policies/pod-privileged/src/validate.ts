import { accept, containersOf, deny, podSpecOf } from '@portcullis/sdk';
import type { AdmissionRequest, ContainerSite, Verdict } from '@portcullis/sdk';
import type { Settings } from './settings.ts';

/** Denies a Pod, or a workload's Pod template, that has a privileged container. */
export function validate(request: AdmissionRequest, settings: Settings): Verdict {
  const spec = podSpecOf(request);
  if (!spec) return accept();
  const privileged = containersOf(spec).filter((site) => isExamined(site, settings) && isPrivileged(site));
  if (privileged.length === 0) return accept();
  return deny(`privileged containers are not allowed: ${privileged.map(({ description }) => description).join(', ')}`);
}

function isExamined({ list }: ContainerSite, { skipInitContainers, skipEphemeralContainers }: Settings): boolean {
  if (list === 'initContainers') return !skipInitContainers;
  return list !== 'ephemeralContainers' || !skipEphemeralContainers;
}

function isPrivileged({ container }: ContainerSite): boolean {
  return container.securityContext?.privileged === true;
}
