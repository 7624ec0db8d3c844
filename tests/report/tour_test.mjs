// tour_test.mjs: the visual tour as a reader uses it, in Chromium: sliders, keys and choices change what they should, and the
// numbers shown are those of `espalier explain` (the program ESPALIER) and of tour.json. REPORTS is made by make_runs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open } from './browser.mjs';

const { REPORTS: reports, ESPALIER: program } = process.env;
const tour = JSON.parse(readFileSync(join(reports, 'pruned/tour.json'), 'utf8'));
const report = 'pruned/report.html';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function on(file, options, check) {
  const { page, problems, close } = await open(browser, join(reports, file), options);
  try {
    await check(page);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
}
const figure = (page, name) => page.locator(`figure[data-figure="${name}"]`);
const field = (where, label) => where.getByLabel(label, { exact: true });
/** The rows of a chart inside `where`. */
const rows = (page, name) => page.evaluate((n) => espalier.charts.findLast((c) => c.name === n && c.figure.isConnected).rows, name);

function explain(problem) {
  const file = join(reports, 'problem.json');
  writeFileSync(file, JSON.stringify(problem));
  return JSON.parse(execFileSync(program, ['explain', file, '--json'], { encoding: 'utf8' }));
}
function close(got, expected, what, tolerance = 1e-9) {
  const a = [got].flat(3), b = [expected].flat(3), scale = Math.max(1e-300, ...b.map(Math.abs), 0.001);
  assert.equal(a.length, b.length, what);
  a.forEach((v, i) => assert.ok(Math.abs(v - b[i]) <= tolerance * scale, `${what}[${i}]: ${v} on the page, ${b[i]} expected`));
}

/** What the figure of two weights says now, held against the program. */
async function checkTwoWeights(page, name) {
  const said = JSON.parse(await figure(page, name).locator('table').first().getAttribute('data-numbers'));
  const { at } = said, by = Object.fromEntries(said.rows.map((row) => [row.key, row]));
  const gradients = await page.evaluate(([a, b, c]) => espalier.quadratic.rowsOf(espalier.quadratic.curvature2(a, b, c)), [at.a, at.b, at.correlation]);
  const expected = explain({ gradients, lambda: 10 ** at.lambda, weights: [at.w1, at.w2], gradient_vector: [at.g1, at.g2], sets_removed: [[0, 1]] });
  close(by.magnitude.rho, expected.rho_magnitude, 'magnitude');
  close(by.diagonal_fisher.rho, expected.rho_diag_fisher_undamped, 'OBD');
  close(by.woodfisher.rho, expected.rho_woodfisher, 'WoodFisher');
  close(by.woodtaylor.rho, expected.rho_woodtaylor, 'WoodTaylor');
  for (const method of ['woodfisher', 'woodtaylor']) {
    const row = by[method], single = expected.single_removals[row.chosen][method];
    assert.equal(row.chosen, expected[`ranking_${method}_ascending`][0], `${method} removes the weight it ranks lowest`);
    close(row.delta, single.delta_w, `${method}'s update`);
    close(row.predicted, single.loss_increase, `${method}'s prediction`);
  }
  close(by.joint.delta, expected.set_removals[0].woodfisher.delta_w, 'both');
  close(by.joint.predicted, expected.set_removals[0].woodfisher.loss_increase, 'cost of both');
  // The arrows end where the updates do: on the axis of the weight removed.
  const arrows = await figure(page, name).locator('line[data-method]').evaluateAll((all) => all.map((line) => ({ method: line.dataset.method, x: Number(line.getAttribute('x2')), y: Number(line.getAttribute('y2')) })));
  assert.equal(arrows.length, 5);
  for (const row of said.rows.filter((r) => r.rho.length > 0)) {
    const arrow = arrows.find((a) => a.method === row.key);
    assert.ok(Math.abs((row.chosen === 0 ? arrow.x : arrow.y) - 230) <= 21, `${row.key}'s arrow ends on the axis on which weight ${row.chosen + 1} is zero`);
  }
  assert.equal(await figure(page, name).locator('.chosen').count(), 4, 'each of four methods marks one weight');
  return by;
}

test('two weights: every preset and slider agrees with espalier explain, and the methods part where they should', () => on(report, {}, async (page) => {
  const two = figure(page, 'two-weights'), preset = (label) => field(two, 'Situation').selectOption({ label });
  let by = await checkTwoWeights(page, 'two-weights');
  assert.notEqual(by.magnitude.chosen, by.woodfisher.chosen, 'magnitude is fooled');
  await preset('all agree');
  by = await checkTwoWeights(page, 'two-weights');
  assert.equal(new Set(Object.values(by).filter((r) => r.rho.length > 0).map((r) => r.chosen)).size, 1);
  await preset('twins: each is nearly free, both are not');
  by = await checkTwoWeights(page, 'two-weights');
  assert.ok(by.joint.predicted > 10 * (by.woodfisher.rho[0] + by.woodfisher.rho[1]));
  await preset('heavy dampening: OBS falls back to magnitude');
  by = await checkTwoWeights(page, 'two-weights');
  assert.equal(by.woodfisher.chosen, by.magnitude.chosen);
  assert.notEqual(by.woodfisher.chosen, by.diagonal_fisher.chosen);
  for (const label of ['Curvature H₁₁', 'Correlation', 'Dampening λ', 'Weight w₂', 'Gradient g₁']) {
    const before = await two.locator('table').first().getAttribute('data-numbers');
    await field(two, label).focus();
    for (let i = 0; i < 7; ++i) await page.keyboard.press('ArrowLeft');
    assert.notEqual(await two.locator('table').first().getAttribute('data-numbers'), before, `${label} does nothing`);
    await checkTwoWeights(page, 'two-weights');
  }
  await preset('two weights of small');
  await checkTwoWeights(page, 'two-weights');
  by = await checkTwoWeights(page, 'two-weights-gradient');
  assert.notEqual(by.woodtaylor.chosen, by.woodfisher.chosen, 'the gradient decides');
  assert.ok(by.woodtaylor.actual < by.woodfisher.actual);
}));

test('Woodbury: arrow keys and buttons step, and the last step is the inverse that espalier explain gives', () => on(report, {}, async (page) => {
  const figures = figure(page, 'woodbury'), host = figures.locator('[data-step]'), step = async () => Number(await host.getAttribute('data-step'));
  assert.equal(await step(), 1);
  await figures.locator('.recursion').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  assert.equal(await step(), 3);
  await page.keyboard.press('ArrowLeft');
  await figures.getByRole('button', { name: 'next example' }).click();
  assert.equal(await step(), 3);
  assert.match(await figures.locator('.at').textContent(), /example 3 of N = 12/);
  await figures.locator('.formula [data-lit="before"]').hover();
  assert.equal(await figures.locator('.panel.lit-on').getAttribute('data-lit'), 'before', 'formula and picture are lit together');
  await figures.getByRole('button', { name: 'to the start' }).click();
  await figures.getByRole('button', { name: 'play all steps' }).click();
  await page.waitForFunction(() => Number(document.querySelector('[data-figure="woodbury"] [data-step]').dataset.step) >= 2);
  await figures.getByRole('button', { name: 'pause' }).click();
  await figures.locator('.recursion').focus();
  for (let i = 0; i < 12; ++i) await page.keyboard.press('ArrowRight');
  assert.equal(await step(), 12);
  const [direct, closed] = (await figures.locator('.numbers-line').textContent()).match(/\d[\d.]*(e-\d+)?(?= of the largest| *\.$)/g).map(Number);
  assert.ok(direct < 1e-10 && closed < 1e-6, `${direct} and ${closed}`);
  const download = page.waitForEvent('download');
  await figures.getByRole('button', { name: /CSV of the inverses/ }).click();
  const lines = readFileSync(await (await download).path(), 'utf8').trim().split('\r\n').slice(1).map((line) => line.match(/("[^"]*"|[^,]+)/g));
  const last = lines.filter(([n]) => n === '12'), names = [...new Set(last.map(([, row]) => row.replaceAll('"', '')))];
  const { block } = tour.layers[0], chosen = names.map((name) => block.names.indexOf(name));
  const lambda = await page.evaluate(() => 10 ** Number(document.querySelector('[data-figure="woodbury"] input[type=range]').value));
  const expected = explain({ gradients: block.rows.map((row) => chosen.map((q) => row.g[q])), lambda, weights: names.map(() => 1) });
  close(last.map((line) => Number(line[3])), expected.F_inv, 'the inverse', 1e-6);
}));

test('matrices: entries read by keyboard and rows are those of tour.json, at every number of examples', () => on(report, {}, async (page) => {
  const figures = figure(page, 'matrices'), { block } = tour.layers[0];
  const entry = (kind, at, i, j) => block.matrices[at][kind][i * (i + 1) / 2 + j];
  const shown = async () => (await figures.locator('.readout b').allTextContents()).map(Number);
  await figures.locator('canvas[tabindex]').first().focus();
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
  for (let at = tour.examples.length - 1; at >= 0; --at) {
    const expected = ['hessian', 'empirical_fisher', 'sampled_fisher'].map((kind) => entry(kind, at, 3, 1));
    close(await shown(), [...expected, expected[1] - expected[0]], `entry (3, 1) at ${tour.examples[at]} examples`, 6e-3);
    await field(figures, 'Examples').focus();
    await page.keyboard.press('ArrowLeft');
  }
  await figures.locator('canvas[tabindex]').nth(1).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction((name) => document.querySelector('[data-chart="matrix-row"] h3').textContent.includes(name), block.names[3]);
  const hessian = (await rows(page, 'matrix-row')).filter((row) => row.matrix === 'Hessian').map((row) => row.value);
  close(hessian, block.names.map((_, j) => entry('hessian', 0, Math.max(3, j), Math.min(3, j))), 'the row of weight 3', 1e-12);
  await field(figures, 'Weights').selectOption({ label: 'several filters or neurons' });
  await page.waitForFunction((n) => espalier.charts.find((c) => c.name === 'matrix-row').rows.length === 3 * n, tour.layers[0].picture.size);
  await field(figures, 'Layer').selectOption({ index: 1 });
  assert.match(await figures.locator('.where').textContent(), new RegExp(tour.layers[1].name));
}));

test('blocks and likeness: shares and cosines are those of tour.json', () => on(report, {}, async (page) => {
  const figures = figure(page, 'blocks'), { mass } = tour.layers[0].picture;
  await field(figures, 'Weights per block').focus();
  await page.keyboard.press('Home');
  for (const m of mass) {
    const [block, kept] = await figures.locator('.verdict b').allTextContents();
    assert.equal(Number(block), m.block);
    assert.equal(kept, `${(100 * m.hessian).toFixed(1)} %`);
    await page.keyboard.press('ArrowRight');
  }
  const cosines = (await rows(page, 'likeness')).filter((row) => row.matrix === 'empirical Fisher' && row.measure.startsWith('cosine')).map((row) => row.value);
  close(cosines, tour.layers[0].picture.like.map((entry) => entry.empirical.cosine), 'cosines', 1e-12);
  // The pictures' bytes stand for the matrices: the share kept, from them, is nearly the exact one.
  const share = await page.evaluate(() => { const layer = espalier.data.runs[0].tour.layers[0]; return espalier.matrix.massInBlocks(espalier.pictureMatrices(layer).hessian, layer.picture.per_filter); });
  close(share, mass.find((m) => m.block === tour.layers[0].picture.per_filter).hessian, 'share by the picture', 0.01);
}));

test('one weight: every choice shows what tour.json, that is espalier explain, says', () => on(report, {}, async (page) => {
  const figures = figure(page, 'one-weight');
  for (const [i, weight] of tour.weights.entries()) {
    await field(figures, 'Weight').selectOption({ index: i });
    await page.waitForFunction((name) => document.querySelector('[data-figure="one-weight"] .verdict').textContent.startsWith(name), weight.name);
    assert.match(await figures.locator('.verdict').textContent(), weight.removed ? /This run removed it/ : /This run kept it/);
    const ranks = await figures.locator('table').first().locator('tbody tr td:nth-child(3)').allTextContents();
    assert.deepEqual(ranks.map((text) => Number(text.replaceAll(',', ''))), weight.criteria.map((c) => c.rank));
    if (weight.absorbed_by.length > 0) {
      await page.waitForFunction((name) => document.querySelector('[data-chart="absorbers"] h3')?.textContent.endsWith(name), weight.name);
      close((await rows(page, 'absorbers')).map((row) => row.delta), weight.absorbed_by.map((a) => a.delta), 'absorbers', 1e-12);
    }
  }
}));

test('k weights: the joint update is never worse than the sum of single ones; more dampening costs more', () => on(report, {}, async (page) => {
  const loss = async () => {
    const by = {};
    for (const row of await rows(page, 'k-weights')) (by[row.method] ??= []).push(row);
    return by;
  };
  const before = await loss();
  before["WoodFisher's set, joint update"].forEach((row, i) => assert.ok(row.loss <= before['WoodFisher, sum of single updates'][i].loss * (1 + 1e-9)));
  const input = field(figure(page, 'k-weights'), 'Dampening λ');
  await input.focus();
  for (let i = 0; i < 8; ++i) await page.keyboard.press('ArrowRight');
  const more = await loss();
  more["WoodFisher's set, joint update"].forEach((row, i) => assert.ok(row.loss >= before["WoodFisher's set, joint update"][i].loss));
}));

test('the chapters name source files, and names in them, that exist', () => on(report, {}, async (page) => {
  const sources = await page.locator('.sources li').evaluateAll((all) => all.map((item) => [...item.querySelectorAll('code')].slice(0, 2).map((code) => code.textContent)));
  assert.ok(sources.length >= 15);
  for (const [file, name] of sources)
    assert.ok(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').includes(name.split('::').at(-1)), `${file} has no ${name}`);
}));

test('a hostile or damaged tour is a notice, and the rest of the chapters is there', async () => {
  for (const folder of ['hostile-tour', 'wrong-tour'])
    await on(`${folder}/report.html`, {}, async (page) => {
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.locator('#away-from-optimum .surface').count(), 1);
      const notices = (await page.locator('#woodbury .notice').allTextContents()).join();
      if (folder === 'wrong-tour') assert.match(notices, /tour\.json of .* cannot be shown/);
      else assert.match(await page.locator('#woodbury').textContent(), /<img src=x/, 'its names are shown as text');
    });
});
