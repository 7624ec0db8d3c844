// prediction.js: the loss change that the quadratic model predicted for each pruning step, against the one measured.

/**
 * Scale and ticks for values of any sign, the same for both axes. Where all have one sign, logarithmic; else linear
 * within the smallest magnitude and logarithmic beyond, in both directions. `linear` asks for a plain scale.
 */
espalier.lossScale = (values, linear) => {
  const finite = values.filter(espalier.known), magnitudes = finite.filter((v) => v !== 0).map(Math.abs);
  const low = Math.min(...finite), high = Math.max(...finite), most = Math.max(...magnitudes, 1e-12), least = Math.min(...magnitudes, most);
  const margin = 0.06 * (high - low || most);
  if (linear || magnitudes.length === 0) return { type: 'linear', domain: [Math.min(low - margin, 0), Math.max(high + margin, 0)] };
  const decades = [];
  for (let e = Math.floor(Math.log10(least)); e <= Math.ceil(Math.log10(most)); ++e) decades.push(e);
  const span = Math.log10(most / least), steps = span > 3 ? [1] : span > 1.5 ? [1, 3] : span > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = decades.flatMap((e) => steps.map((s) => Number((s * 10 ** e).toPrecision(2))));
  if (low > 0) return { type: 'log', domain: [low / 1.3, high * 1.3], values: ticks };
  if (high < 0) return { type: 'log', domain: [low * 1.3, high / 1.3], values: ticks.map((v) => -v) };
  const constant = Math.max(least, most * 1e-4);
  const whole = decades.filter((e) => 10 ** e >= constant).map((e) => 10 ** e);
  return { type: 'symlog', constant, domain: [low < 0 ? low * 1.4 : -constant / 2, high > 0 ? high * 1.4 : constant / 2], values: [...whole.map((v) => -v), 0, ...whole] };
};

/**
 * Predicted against measured loss change with the line y = x.
 *   rows: [{predicted, measured, [series], ...}]; series: {field, domain, range} or nothing; tooltip: see espalier.spec.points
 */
espalier.lossChart = (place, { title, guide, name, rows, series, tooltip, linear }) => {
  const { spec } = espalier;
  const scale = espalier.lossScale(rows.flatMap((row) => [row.predicted, row.measured]), linear);
  const axis = (field, text) => ({ ...scale, field, title: text, format: '~g', nice: false, zero: false });
  const [low, high] = scale.domain;
  return espalier.chart(place, {
    title, name, rows, guide: `${guide} Where all changes have one sign the axes are logarithmic; else they are linear close to zero.`,
    spec: ({ theme, width }) => spec.xy({
      height: Math.min(width - 40, 400), x: axis('predicted', 'predicted change of the loss [nats]'), y: axis('measured', 'measured [nats]'),
      colour: series && { domain: series.domain, range: series.range(), symbol: 'circle', channel: 'fill' },
      data: [{ name: 'ends', values: [{ v: low }, { v: high }] }],
      marks: [
        { type: 'line', from: { data: 'ends' }, encode: { update: { x: { scale: 'x', field: 'v' }, y: { scale: 'y', field: 'v' }, stroke: { value: theme.muted }, strokeDash: { value: [5, 4] } } } },
        spec.points({ x: 'predicted', y: 'measured', ...(series ? { series: series.field } : { colour: { value: theme.blue } }), size: 80, opacity: 0.85, tooltip }),
      ],
    }),
  });
};

espalier.section({
  id: 'prediction', part: 'happened', title: 'Predicted and measured loss',
  needs: (data) => data.runs.some((run) => espalier.runs.steps(run).some((row) => espalier.known(row.predicted_loss_change))),
  draw(container, data) {
    const { element, runs, known } = espalier;
    const number = (name) => `format(datum.${name}, '.3~g')`;
    const able = data.runs.filter((run) => runs.steps(run).some((row) => known(row.predicted_loss_change)));
    return runs.each(container, able, async (place, run) => {
      const steps = runs.steps(run), layers = runs.layers(run);
      const about = (row) => ({ epoch: row.epoch, sub_step: row.sub_step, sparsity: row.sparsity });
      const seen = 'examples of the Fisher', unseen = 'held out';
      const whole = steps.flatMap((row) => [{ ...about(row), examples: seen, predicted: row.predicted_loss_change, measured: row.measured_loss_change },
        ...(known(row.held_out_loss_change) ? [{ ...about(row), examples: unseen, predicted: row.predicted_loss_change, measured: row.held_out_loss_change }] : [])]);
      const both = whole.some((row) => row.examples === unseen);
      const parts = steps.flatMap((row) => layers.filter((layer) => known(row[`predicted.${layer}`])).map((layer) => (
        { ...about(row), layer, predicted: row[`predicted.${layer}`], measured: row[`measured.${layer}`] })));
      const bar = espalier.toolbar(place), figures = element('div', { class: 'figures' });
      place.append(figures);
      const draw = async (linear) => {
        figures.replaceChildren();
        await espalier.lossChart(figures, { title: 'Each pruning step', name: 'predicted_against_measured', rows: whole, linear,
          guide: 'On the dashed line the quadratic model was right; above it the loss rose more (or fell less) than predicted. Predicted on the examples of the Fisher, and measured there'.concat(both ? ' and on training examples that it has not seen: what a step does to the data at large.' : '.'),
          series: both ? { field: 'examples', domain: [seen, unseen], range: () => [espalier.theme().blue, espalier.theme().orange] } : undefined,
          tooltip: { examples: 'datum.examples', epoch: 'datum.epoch', sparsity: "format(datum.sparsity, '.2%')", predicted: number('predicted'), measured: number('measured') } });
        if (parts.length === 0) return;
        await espalier.lossChart(figures, { title: 'Each layer\'s part of a step', name: 'predicted_against_measured_by_layer', rows: parts, linear,
          guide: 'One layer\'s move alone, all others as they were, measured on 256 of the examples. Far above the line: a layer the model does not describe well.',
          series: layers.length <= 8 ? { field: 'layer', domain: layers, range: () => layers.map((_, i) => espalier.seriesColour(i)) } : undefined,
          tooltip: { layer: 'datum.layer', epoch: 'datum.epoch', predicted: number('predicted'), measured: number('measured') } });
      };
      espalier.choice(bar, { label: 'Axes', value: false, onChange: draw, options: [{ value: false, label: 'logarithmic' }, { value: true, label: 'linear' }] });
      await draw(false);
    });
  },
});
