import { quote } from "../json-text";
import { HostAnswer, hostCall } from "./host-call";

/** `{"digest":"sha256:…"}` of an image. */
export function getManifestDigest(image: string): HostAnswer {
  return hostCall("oci", "v1/manifest_digest", quote(image));
}

/** Manifest or index of an image, as the registry has it. */
export function getManifest(image: string): HostAnswer {
  return hostCall("oci", "v1/oci_manifest", quote(image));
}
