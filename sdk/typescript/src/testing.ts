export { admissionRequest } from './testing/admission-request.ts';
export { evaluateBoth, evaluatePolicy, validateSettings } from './testing/evaluate.ts';
export type {
  EvaluationOptions,
  EvaluationResult,
  HostAnswers,
  RecordedHostCall,
  RecordedLog,
} from './testing/evaluate.ts';
export { readExamples } from './testing/examples.ts';
export type { PolicyExample } from './testing/examples.ts';
