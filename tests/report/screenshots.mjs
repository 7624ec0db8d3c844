// screenshots.mjs: sections of a report as PNG files (tools/report_screenshots).
//   node screenshots.mjs PAGE OUT_DIR [SECTION...]
import { join } from 'node:path';
import { launch, open } from './browser.mjs';

const [file, out, ...wanted] = process.argv.slice(2);
const browser = await launch();
try {
  const { page, problems } = await open(browser, file, { width: Number(process.env.WIDTH || 1000), height: 1000, dark: process.env.THEME === 'dark' });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  await page.addStyleTag({ content: 'section { padding: 16px 20px 4px; margin: 0 -20px; } .tools { visibility: hidden; height: 0; margin: 0 !important; }' });
  const sections = await page.$$eval('section', (all) => all.map((e) => e.id));
  for (const id of wanted) if (!sections.includes(id)) throw new Error(`the report has no section "${id}"; it has ${sections.join(', ')}`);
  for (const id of wanted.length > 0 ? wanted : sections) {
    await page.locator(`section[id="${id}"]`).screenshot({ path: join(out, `${id}.png`) });
    console.log(join(out, `${id}.png`));
  }
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
