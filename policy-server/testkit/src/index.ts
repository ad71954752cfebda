export { watModule } from './wat.ts';
