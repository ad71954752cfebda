import { JSON } from "json-as";
import { jsonGet, jsonGetString } from "./json-text";

/** The AdmissionRequest, or a raw request, that a policy decides on. Nothing is parsed that is not asked for. */
export class PolicyRequest {
  constructor(
    /** The request as JSON text. */
    readonly text: string,
    /** Request and settings together, as they came from the host. */
    readonly payload: string = "",
  ) {}

  get uid(): string {
    return this.stringAt(["uid"]);
  }

  /** CREATE, UPDATE, DELETE or CONNECT. */
  get operation(): string {
    return this.stringAt(["operation"]);
  }

  get kind(): string {
    return this.stringAt(["kind", "kind"]);
  }

  get name(): string {
    return this.stringAt(["name"]);
  }

  /** Empty for resources of the cluster. */
  get namespace(): string {
    return this.stringAt(["namespace"]);
  }

  get username(): string {
    return this.stringAt(["userInfo", "username"]);
  }

  /** JSON text of the object; null for DELETE. */
  get object(): string | null {
    return this.get(["object"]);
  }

  /** JSON text of the object before an UPDATE or DELETE; null otherwise. */
  get oldObject(): string | null {
    return this.get(["oldObject"]);
  }

  /** JSON text at a path of the request, or null. */
  get(path: string[]): string | null {
    return jsonGet(this.text, path);
  }

  /** String at a path of the request; empty if there is none. */
  stringAt(path: string[]): string {
    const value = jsonGetString(this.text, path);
    return value === null ? "" : value;
  }

  /** The object as a class of your own, marked `@json`; fields it does not have are ignored. Not for DELETE. */
  objectAs<T>(): T {
    const object = this.object;
    if (object === null) throw new Error("the request carries no object");
    return JSON.parse<T>(object);
  }
}
