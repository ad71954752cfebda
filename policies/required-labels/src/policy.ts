import { definePolicy } from '@portcullis/sdk';
import type { AdmissionRequest } from '@portcullis/sdk';
import { settings } from './settings.ts';
import { validate } from './validate.ts';
import type { LabelledObject } from './validate.ts';

export const policy = definePolicy({
  settings,
  validate: (request: AdmissionRequest<LabelledObject>, context) => validate(request, context.settings),
});
