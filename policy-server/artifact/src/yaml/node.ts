import type { JsonNumber, JsonValue } from '@portcullis/protocol';

/** A YAML node: the JSON model plus tags (`!equal x`). */
export type YamlNode = null | boolean | string | JsonNumber | YamlNode[] | Map<string, YamlNode> | YamlTagged;

/** A node with a local tag, such as an enum variant. */
export class YamlTagged {
  /** Without the `!`. */
  readonly tag: string;
  readonly value: YamlNode;

  constructor(tag: string, value: YamlNode) {
    this.tag = tag;
    this.value = value;
  }
}

/** Text that is not the YAML it should be. The message names line and column where there is one. */
export class YamlError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'YamlError';
  }
}

/** A document as read: the tag of its root, if any, and its value. */
export interface YamlDocument {
  readonly tag: string | undefined;
  readonly value: JsonValue;
}
