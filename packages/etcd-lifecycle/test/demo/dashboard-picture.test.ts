import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { DASHBOARD_PICTURE, drawDashboard } from '../../demo/dashboard-picture';
import { newApp } from '../cluster-stack';

test('the picture in the README shows the dashboard as it is now', () => {
  // If not: npx projen picture:dashboard
  expect(readFileSync(DASHBOARD_PICTURE, 'utf8')).toBe(drawDashboard(newApp('picture').outdir));
});
