// report_test.mjs: reports as a reader meets them, in Chromium: everything drawn, the numbers those of the files, usable by
// keyboard, on a phone and at night, and harmless whatever a folder holds. tests/report/make_runs made the folder REPORTS.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open } from './browser.mjs';

const reports = process.env.REPORTS;
const pages = { pruned: 'pruned/report.html', trained: 'trained/report.html', sweep: 'sweep/report.html', curvature: 'pruned/curvature/report.html', comparison: 'comparison.html', experiment: 'experiment/report.html' };
const damaged = ['hostile', 'cut', 'only-config', 'only-metrics', 'only-checkpoint', 'empty-files', 'wrong-types'];
const rows_of = (run) => readFileSync(join(reports, run, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));

let browser;
const opened = new Map();  // pages are slow to load and may be looked at several times
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/** Runs the check on a page, and asks that nothing went wrong meanwhile, but for what is `expected`; `fresh`: as first opened. */
async function on(file, { expected, fresh = false, folded = false, width = 1280, dark = false } = {}, check) {
  if (fresh || !opened.has(file)) {
    await opened.get(file)?.close();
    opened.set(file, await open(browser, join(reports, file), { folded }));
  }
  const { page, problems } = opened.get(file);
  await page.bringToFront();  // Chromium does not paint windows behind others
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
  await page.setViewportSize({ width, height: 800 });
  // The page hears of night with its next frame, which a quick page's check would not wait for.
  await page.waitForFunction((theme) => document.documentElement.dataset.theme === theme, dark ? 'dark' : 'light');
  // Charts follow the width of the window; Vega may leave a pixel to the side.
  await page.waitForFunction(() => [...document.querySelectorAll('.plot')].every((host) => [...host.children].every((e) => e.tagName === 'P' || e.clientWidth <= host.clientWidth + 1)));
  await check(page);
  assert.deepEqual(problems.splice(0).filter((problem) => !expected?.test(problem)), []);
}

/** Of every chart on the page: its name, how many marks it has or how many colours its canvas shows, and its rows. */
const charts_of = (page) => page.evaluate(() => espalier.charts.filter((chart) => chart.figure.isConnected).map((chart) => {
  const canvas = chart.host.querySelector('canvas'), svg = chart.host.querySelector('svg');
  const colours = new Set();
  if (canvas) {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    for (const pixel of new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer)) if (colours.size < 10) colours.add(pixel);
  }
  const marks = svg ? [...svg.querySelectorAll('.role-mark path, .role-mark rect, .role-mark line, .role-mark text')].filter((mark) => {
    const box = mark.getBBox();
    return box.width > 0 || box.height > 0;
  }).length : 0;
  return { name: chart.name, rows: chart.rows, marks, colours: colours.size, guide: chart.figure.querySelector('.guide').textContent };
}));
const chart = async (page, name) => (await charts_of(page)).find((c) => c.name === name);

for (const [name, file] of Object.entries(pages)) {
  test(`${name}: every chart is drawn, is not empty, and says how to read it`, () => on(file, {}, async (page) => {
    const charts = await charts_of(page);
    assert.ok(charts.length > 0, 'no charts');
    for (const c of charts) {
      assert.ok(c.marks > 0 || c.colours > 2, `${c.name} is empty`);
      assert.ok(c.rows.length > 0, `${c.name} has no rows`);
      assert.match(c.guide, /\w+ \w+ \w+.*[.]$/s, `${c.name} has no reading guide`);
      assert.doesNotMatch(c.guide, /undefined|NaN|null/);
    }
    const ids = await page.$$eval('[id]', (all) => all.map((e) => e.id));
    assert.deepEqual(ids.filter((id, i) => ids.indexOf(id) !== i), [], 'an id is used twice');
    assert.doesNotMatch(await page.innerText('main'), /undefined|NaN|\[object/);
  }));

  test(`${name}: on a phone nothing sticks out sideways, and all is drawn again`, () => on(file, { width: 360 }, async (page) => {
    const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(scroll <= client, `the page is ${scroll} wide in a window of ${client}`);
    for (const box of await page.$$eval('.plot svg, .plot canvas', (all) => all.map((e) => [e.getBoundingClientRect().width, e.parentElement.clientWidth])))
      assert.ok(box[0] <= box[1] + 1, `a chart of ${box[0]} pixels in a column of ${box[1]}`);
  }));

  test(`${name}: at night the page is dark and its texts light`, () => on(file, { dark: true }, async (page) => {
    const light = (colour) => colour.match(/[\d.]+/g).slice(0, 3).reduce((sum, v) => sum + Number(v), 0) / 765;
    assert.ok(light(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) < 0.2);
    for (const fill of await page.$$eval('.plot svg .role-axis-title text', (all) => all.map((e) => getComputedStyle(e).fill))) assert.ok(light(fill) > 0.6, fill);
    await page.selectOption('#theme select', { label: 'light' });
    assert.ok(light(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) > 0.8);
    await page.selectOption('#theme select', { label: 'as the system' });
  }));
}

test('the summary shows the numbers of the last row and of the files', () => on(pages.pruned, {}, async (page) => {
  const rows = rows_of('pruned'), done = rows.at(-1), first = rows.find((row) => row.event === 'prune');
  const text = await page.innerText('#summary');
  const percent = (share) => `${(100 * share).toFixed(2)} %`;
  for (const part of [percent(done.test_accuracy), percent(first.test_accuracy_before), percent(done.sparsity), percent(done.sparsity_of_all_parameters),
    done.multiply_adds.toLocaleString('en-US'), done.multiply_adds_kept.toLocaleString('en-US')]) assert.ok(text.includes(part), `${part} is not in:\n${text}`);
}));

test('charts hold the rows of metrics.jsonl, to the last digit', () => on(pages.pruned, {}, async (page) => {
  const rows = rows_of('pruned'), epochs = rows.filter((row) => row.event === 'epoch'), steps = rows.filter((row) => row.event === 'prune');
  const accuracy = (await chart(page, 'accuracy_over_epochs')).rows;
  assert.deepEqual(accuracy.filter((r) => r.set === 'test').map((r) => r.accuracy), rows.filter((r) => r.event !== 'done').map((r) => r.test_accuracy));
  assert.deepEqual(accuracy.filter((r) => r.set !== 'test').map((r) => r.accuracy), epochs.map((r) => r.train_accuracy));
  const predicted = (await chart(page, 'predicted_against_measured')).rows;
  assert.deepEqual(predicted.map((r) => [r.examples, r.predicted, r.measured]), steps.flatMap((r) => [['examples of the Fisher', r.predicted_loss_change, r.measured_loss_change],
    ...(r.held_out_loss_change === undefined ? [] : [['held out', r.predicted_loss_change, r.held_out_loss_change]])]));
  const sparsity = (await chart(page, 'sparsity_per_layer')).rows.filter((r) => r.layer === 'conv2' && steps.some((s) => s.epoch === r.epoch));
  assert.deepEqual(sparsity.map((r) => r.sparsity), steps.map((r) => r['sparsity.conv2']));
}));

test('points of a chart stand where its numbers say', () => on(pages.pruned, {}, async (page) => {
  const placed = await page.evaluate(() => {
    const { view, rows } = espalier.charts.find((c) => c.name === 'predicted_against_measured');
    const [x, y] = ['x', 'y'].map((name) => view.scale(name)), marks = [...view.scenegraph().root.items[0].items.flatMap((group) => (group.marktype === 'symbol' ? group.items : []))];
    return { marks: marks.map((m) => [m.x, m.y]), rows: rows.map((row) => [x(row.predicted), y(row.measured)]), diagonal: x.domain().join() === y.domain().join(), size: [view.width(), view.height()] };
  });
  assert.equal(placed.marks.length, placed.rows.length);
  placed.rows.forEach(([x, y], i) => { assert.ok(Math.abs(x - placed.marks[i][0]) < 1e-6 && Math.abs(y - placed.marks[i][1]) < 1e-6); });
  assert.ok(placed.diagonal, 'both axes have one domain, so that y = x is the diagonal');
  for (const [x, y] of placed.marks) assert.ok(x >= 0 && y >= 0 && x <= placed.size[0] && y <= placed.size[1], 'a point lies outside the plot');
}));

test('choosing a layer shows its weights, and counts agree with the run', () => on(pages.pruned, {}, async (page) => {
  const done = rows_of('pruned').at(-1);
  for (const layer of ['fc1', 'conv2']) {
    await page.selectOption('#weights select >> nth=0', { label: layer });
    const c = await chart(page, `weights_${layer}`), sum = (name) => c.rows.reduce((total, row) => total + row[name], 0);
    assert.equal(sum('before'), done[`weights.${layer}`]);
    assert.equal(sum('after'), Math.round(done[`weights.${layer}`] * (1 - done[`sparsity.${layer}`])));
  }
  await page.selectOption('#filters select', { label: 'conv2' });
  const tiles = await chart(page, 'filters_conv2_at the end');
  assert.equal(tiles.rows.reduce((total, row) => total + row.kept, 0), Math.round(done['weights.conv2'] * (1 - done['sparsity.conv2'])));
  assert.equal(tiles.rows.length, 8 * 6);
  const inputs = await chart(page, 'inputs_fc1');
  assert.equal(inputs.rows.length, 8 * 4 * 4);
  assert.deepEqual(inputs.rows.at(-1), { input: 127, map: 7, row: 3, column: 3, weights: 16, kept: inputs.rows.at(-1).kept });
  assert.equal(inputs.rows.reduce((total, row) => total + row.kept, 0), Math.round(done['weights.fc1'] * (1 - done['sparsity.fc1'])));
}));

test('the saliency of a step counts what it removed, and the cut separates the two', () => on(pages.pruned, {}, async (page) => {
  const steps = rows_of('pruned').filter((row) => row.event === 'prune'), weights = rows_of('pruned').at(-1).weights;
  const c = (await charts_of(page)).find(({ name }) => name.startsWith('saliency_all'));
  const removed = c.rows.reduce((sum, row) => sum + row.removed, 0), kept = c.rows.reduce((sum, row) => sum + row.kept, 0);
  assert.equal(removed, Math.round(steps[0].sparsity * weights));
  assert.equal(removed + kept, weights);
  const mixed = c.rows.filter((row) => row.removed > 0 && row.kept > 0);
  assert.ok(mixed.length <= 1, 'with one global ranking, one bin at most holds both');
  await page.selectOption('#saliency select >> nth=0', { index: 1 });
  const next = (await charts_of(page)).find(({ name }) => name.startsWith('saliency_all'));
  assert.equal(next.rows.reduce((sum, row) => sum + row.removed, 0), Math.round(steps[1].sparsity * weights) - removed);
}));

test('a sweep shows every cell, and published rows in grey', () => on(pages.sweep, {}, async (page) => {
  const cells = rows_of('sweep').filter((row) => row.event === 'cell');
  const text = await page.innerText('#sweep table');
  for (const cell of cells) assert.ok(text.includes(`${(100 * cell.test_accuracy).toFixed(2)} %`), JSON.stringify(cell));
  await page.selectOption('#accuracy-sparsity select >> nth=0', { index: 1 }).catch(() => {});
  const { rows } = await chart(page, 'accuracy_against_sparsity');
  assert.deepEqual(rows.filter((r) => r.series === 'published: CBS').map((r) => [r.sparsity, r.accuracy]), [[0.5, 0.615], [0.8, 0.4025]]);
  assert.equal(rows.filter((r) => r.what === 'one-shot').length, cells.length);
  const colour = await page.evaluate(() => espalier.charts.find((c) => c.name === 'accuracy_against_sparsity' && c.figure.isConnected).view.scale('colour')('published: CBS'));
  assert.equal(colour, await page.evaluate(() => espalier.theme().grey));
}));

// A study has its own page, and stands on the page of the run in whose folder it lies.
for (const [name, file] of [['its own page', pages.curvature], ['the page of its run', pages.pruned]]) {
  test(`a curvature study on ${name}: every number is that of metrics.jsonl, each matrix has the colour of the tour`, () => on(file, {}, async (page) => {
    const titles = { hessian: 'Hessian', empirical_fisher: 'empirical Fisher', true_fisher: 'true Fisher, exact', monte_carlo_fisher: 'true Fisher, drawn labels' };
    const study = rows_of('pruned/curvature').filter((row) => row.event === 'curvature'), kinds = Object.keys(titles);
    assert.deepEqual(study.map((row) => [row.layer, row.examples, row.dense]), [['fc2', 16, true], ['fc2', 48, true], ['fc2', 200, true], ['conv2', 16, false], ['conv2', 48, false], ['conv2', 200, false]]);
    for (const layer of ['conv2', 'fc2']) {
      await page.selectOption('#curvature select', { label: `${layer} (${layer === 'fc2' ? 64 : 432} weights)` });
      const rows = study.filter((row) => row.layer === layer), last = rows.at(-1), cosine = last.dense ? 'cosine' : 'diagonal_cosine';
      await page.waitForSelector(`[data-chart="curvature_${last.dense ? 'blocks' : 'eigenvalues'}_${layer}"] svg`);
      const likeness = (await chart(page, `curvature_likeness_${layer}`)).rows.map((r) => [r.examples, r.matrix, r.measure.split(' ')[0], r.value]);
      assert.deepEqual(likeness, rows.flatMap((row) => kinds.slice(1).flatMap((kind) => [[row.examples, titles[kind], 'cosine', row[`${cosine}.${kind}`]],
        [row.examples, titles[kind], 'rank', row[`rank_correlation.${kind}`]]])));
      const eigenvalues = (await chart(page, `curvature_eigenvalues_${layer}`)).rows.map((r) => [r.examples, r.matrix, r.rank, r.eigenvalue]);
      assert.deepEqual(eigenvalues, kinds.flatMap((kind) => [1, 2, 3, 4].map((i) => [200, titles[kind], i, last[`eigenvalue_${i}.${kind}`]])));
      const blocks = await chart(page, `curvature_blocks_${layer}`);
      assert.equal(blocks !== undefined, last.dense, 'a matrix that was not formed has no blocks');
      if (blocks) assert.deepEqual(blocks.rows.map((r) => [r.matrix, r.block, r.share]), kinds.flatMap((kind) => [1, 4, 16, 64].map((b) => [titles[kind], b, last[`mass_${b}.${kind}`]])));
      assert.equal((await page.innerText('#curvature')).includes('curvature.max_dense'), !last.dense);
    }
    const cells = await page.$$eval('#curvature .body table >> nth=-1 >> tbody tr', (lines) => lines.map((line) => [...line.cells].map((cell) => cell.textContent)));
    const shown = await page.evaluate((values) => values.map((v) => espalier.format.number(v)), study.flatMap((row) => kinds.map((kind) => row[`trace.${kind}`])));
    assert.deepEqual(cells.map((line) => [line[0], line[3], line[4]]), study.flatMap((row) => kinds.map((kind) => [row.layer, titles[kind]])).map((line, i) => [...line, shown[i]]));

    const colours = await page.evaluate(() => {
      const scale = (name) => espalier.charts.find((c) => c.name === name && c.figure.isConnected).view.scale('colour');
      return ['matrix-row', 'curvature_eigenvalues_fc2'].map((name) => ['Hessian', 'empirical Fisher', 'true Fisher, drawn labels'].map((matrix) => scale(name)(matrix)));
    });
    assert.deepEqual(colours[1], colours[0]);
    assert.equal(new Set(colours[1]).size, 3);
  }));
}

test('a study that is on the page as a run of its own is not shown a second time', () => on(pages.comparison, {}, async (page) => {
  assert.equal(await page.locator('#curvature select').count(), 1, 'the choice of the layer, and none of a run');
}));

test('an experiment shows means over its seeds', () => on(pages.experiment, {}, async (page) => {
  const { rows } = await chart(page, 'reproduce_p');
  assert.deepEqual(rows.map((r) => [r.method, r.value, r.seeds, r.accuracy]), [['WoodFisher', 0.5, 2, 0.175], ['magnitude', 0.5, 2, 0.175], ['WoodFisher', 0.9, 2, 0.175], ['magnitude', 0.9, 2, 0.175]]);
  assert.ok((await page.innerText('#reproduce table')).includes('17.50 % ± 7.07'));
}));

test('a comparison names all runs, each method in its own colour', () => on(pages.comparison, {}, async (page) => {
  const text = await page.innerText('#summary');
  for (const name of ['small (pruned)', 'magnitude', 'small (trained)', 'small (sweep)']) assert.ok(text.includes(name), `${name} is not in:\n${text}`);
  const colours = await page.evaluate(() => {
    const { view } = espalier.charts.find((c) => c.name === 'runs_accuracy_over_epochs');
    return view.scale('colour').domain().map((run) => view.scale('colour')(run));
  });
  const expected = await page.evaluate(() => ['woodtaylor', 'magnitude', 'dense'].map(espalier.methodColour));
  assert.deepEqual(colours, expected);
  assert.equal(new Set(colours).size, 3);
}));

test('charts are saved as PNG and as CSV with the same numbers', () => on(pages.pruned, { fresh: true }, async (page) => {
  for (const name of ['accuracy_over_epochs', 'filters_conv1_at the end']) {
    const figure = page.locator(`[data-chart="${name}"]`);
    const save = async (button) => {
      const [download] = await Promise.all([page.waitForEvent('download'), figure.getByRole('button', { name: `Save as ${button}` }).click()]);
      return { file: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    };
    const png = await save('PNG'), csv = await save('CSV');
    assert.equal(png.file, `${name.replace(/[^A-Za-z0-9_-]/g, '_')}.png`);
    assert.deepEqual([...png.bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    assert.ok(png.bytes.readUInt32BE(16) >= 400 && png.bytes.readUInt32BE(20) >= 100, 'the picture is too small to read');
    const [header, ...lines] = csv.bytes.toString().trim().split('\r\n').map((line) => line.split(',')), { rows } = await chart(page, name);
    assert.equal(lines.length, rows.length);
    lines.forEach((line, i) => header.forEach((column, k) => assert.equal(line[k], String(rows[i][column] ?? ''))));
  }
}));

test('a text that a spreadsheet would run is quoted in the CSV', () => on(pages.trained, {}, async (page) => {
  const csv = await page.evaluate(() => espalier.csv(['a', 'b'], [{ a: '=1+1', b: -0.1 }, { a: 'x,"y"\n', b: null }, { a: '@f', b: 1e-300 }]));
  assert.equal(csv, 'a,b\r\n\'=1+1,-0.1\r\n"x,""y""\n",\r\n\'@f,1e-300\r\n');
}));

test('all of it can be used by keyboard, and one sees where one is', () => on(pages.pruned, { fresh: true }, async (page) => {
  const wanted = await page.evaluate(() => [...document.querySelectorAll('a[href], button, select, summary, input, [tabindex="0"]')].filter((e) => e.checkVisibility()).length);
  const seen = [];
  for (let i = 0; i < wanted + 5; ++i) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(() => {
      const e = document.activeElement;
      if (e === document.body) return null;
      e.dataset.seen = '1';
      return { tag: e.tagName, top: e.getBoundingClientRect().top + scrollY, outline: getComputedStyle(e).outlineStyle, width: parseFloat(getComputedStyle(e).outlineWidth) };
    });
    if (now === null) break;
    seen.push(now);
  }
  assert.equal(await page.locator('[data-seen]').count(), wanted, 'Tab does not reach everything');
  for (const e of seen) assert.ok(e.outline !== 'none' && e.width >= 2, `${e.tag} does not show its focus`);
  await page.focus('#weights select >> nth=0');
  const title = () => page.innerText('#weights figure h3'), first = await title();
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction((old) => document.querySelector('#weights figure h3')?.textContent !== old, first);
  await page.focus('#weights .numbers summary');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#weights figure table', { state: 'visible' });
}));

test('the verdict stands on top, and says that figures of different epochs are no price', () => on(pages.pruned, {}, async (page) => {
  const rows = rows_of('pruned'), done = rows.at(-1), words = await page.innerText('#verdict');
  assert.ok(words.includes(`${(100 * done.test_accuracy).toFixed(2)} %`), words);
  assert.match(words, done.price_of_sparsity === undefined ? /not what sparsity costs/ : /standard error/);
}));

test('a page has no box about what its run does not have', async () => {
  for (const file of [pages.trained, pages.sweep, pages.experiment])
    await on(file, {}, async (page) => {
      assert.equal(await page.locator('#quadratic-model').count(), 0, 'no lesson without a tour');
      assert.ok(!(await page.innerText('main')).includes('tour.json'), file);
    });
});

test('long sections begin folded, open by the contents, and the contents say where one is', () => on(pages.pruned, { folded: true, fresh: true }, async (page) => {
  assert.equal(await page.locator('#weights figure').count(), 0, 'not drawn before it is opened');
  await page.click('#contents a[href="#weights"]');
  await page.waitForSelector('#weights figure');
  await page.waitForFunction(() => document.querySelector('#contents a[aria-current]')?.getAttribute('href') === '#weights');
  await page.evaluate(() => espalier.unfold());  // for the tests that come
}));

test('a wide comparison stays within the window', () => on(pages.comparison, { width: 1280 }, async (page) => {
  const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(scroll <= client, `the page is ${scroll} wide in a window of ${client}`);
}));

test('the slider goes through the run, from the dense network to its end', () => on(pages.pruned, {}, async (page) => {
  const done = rows_of('pruned').at(-1), words = () => page.innerText('#slider .slider-words'), first = await words();
  await page.focus('#slider input[type="range"]');
  await page.keyboard.press('End');
  assert.notEqual(await words(), first);
  assert.ok((await words()).includes(`${(100 * done.test_accuracy).toFixed(2)} %`), await words());
}));

for (const folder of damaged) {
  test(`${folder}: a correct page with a notice, and nothing of it runs`, () => on(`${folder}/report.html`, {}, async (page) => {
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.evaluate(() => ({}).polluted ?? Object.prototype.epoch), undefined);
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await page.locator('script').count(), 3);
    assert.ok(await page.locator('#notices .notice').count() > 0, 'nothing is said of the damage');
    assert.equal(await page.locator('section').filter({ hasText: 'could not be drawn' }).count(), 0);
    assert.doesNotMatch(await page.innerText('main'), /undefined|NaN %|\[object/);
    for (const c of await charts_of(page)) assert.ok(c.rows.length === 0 || c.marks > 0 || c.colours > 1, `${c.name} is empty`);
  }));
}

test('hostile: names are shown as they are', () => on('hostile/report.html', {}, async (page) => {
  const evil = '</script><img src=x onerror=window.hacked=1><script>window.hacked=1</script>';
  assert.ok((await page.innerText('h1')).startsWith(`${evil} {{data}} <!--`));
  assert.ok((await page.title()).startsWith(evil));
  assert.ok((await chart(page, 'sparsity_per_layer')).rows.some((row) => row.layer === evil));
}));

test('hostile: a script that got in by another way would not run either', () => on('hostile/report.html', { expected: /Content Security Policy/ }, async (page) => {
  const blocked = await page.evaluate(() => new Promise((resolve) => {
    document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective));
    const script = document.createElement('script');
    script.textContent = 'window.hacked = 1';
    document.body.append(script);
    setTimeout(() => resolve('it ran'), 1000);
  }));
  assert.match(blocked, /^script-src/);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
}));
