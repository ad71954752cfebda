import { quote } from "../json-text";
import { HostAnswer, hostCall } from "./host-call";

/** `{"ips":[…]}` of a host name. */
export function lookupHost(host: string): HostAnswer {
  return hostCall("net", "v1/dns_lookup_host", quote(host));
}
