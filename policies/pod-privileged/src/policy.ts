import { definePolicy } from '@portcullis/sdk';
import type { AdmissionRequest } from '@portcullis/sdk';
import { settings } from './settings.ts';
import { validate } from './validate.ts';

export const policy = definePolicy({
  settings,
  validate: (request: AdmissionRequest, context) => validate(request, context.settings),
});
