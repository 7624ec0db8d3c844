// browser.mjs: Debian's Chromium, driven by playwright-core, with a report open in it. Shared by the checks and by
// tools/report_screenshots. ESPALIER_PLAYWRIGHT names the folder into which `npm install playwright-core` was done.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.CHROMIUM || candidates.find((path) => existsSync(path));
const { chromium } = createRequire(resolve(process.env.ESPALIER_PLAYWRIGHT || 'build/playwright', 'package.json'))('playwright-core');

export async function launch() {
  if (!executablePath) throw new Error(`Chromium is not installed (looked for ${candidates.join(', ')}; or set CHROMIUM)`);
  return chromium.launch({ executablePath, headless: true, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
}

/**
 * Opens an HTML file and waits until it has drawn everything. `problems` collects what a reader's console would show as an
 * error or warning, exceptions, and every request that leaves the file. Sections that begin folded are opened unless `folded`.
 */
export async function open(browser, file, { width = 1280, height = 900, dark = false, scale = 1, folded = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', deviceScaleFactor: scale, acceptDownloads: true });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) problems.push(`console ${message.type()}: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  page.on('request', (request) => { if (!/^(file|data|blob):/.test(request.url())) problems.push(`request: ${request.url()}`); });
  page.on('dialog', (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.setDefaultTimeout(240000);  // the machine may be busy with other tests
  await page.goto(pathToFileURL(resolve(file)).href);
  await page.waitForSelector('html[data-state="drawn"]').catch(() => problems.push('the page never reached data-state="drawn"'));
  if (!folded) await page.evaluate(() => espalier.unfold()).catch((error) => problems.push(`not unfolded: ${error.message}`));
  return { page, problems, close: () => context.close() };
}
