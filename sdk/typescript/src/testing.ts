export { evaluatePolicy, validateSettings } from './testing/evaluate.ts';
export type {
  EvaluationOptions,
  EvaluationResult,
  HostAnswers,
  RecordedHostCall,
  RecordedLog,
} from './testing/evaluate.ts';
