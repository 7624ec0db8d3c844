// saliency.js: how the criterion's scores lay at each pruning step, and where the cut fell.
espalier.section({
  id: 'saliency', part: 'happened', title: 'Saliency and the cut', folded: true,
  needs: (data) => data.runs.some((run) => espalier.runs.saliency(run).length > 0),
  draw(container, data) {
    const { element, runs, spec, format, known } = espalier;
    const all = 'all layers';

    /** Sum of the histograms of some layers of one step, with the ends of removed and kept scores. */
    const joined = (lines) => {
      const [first] = lines, add = (name) => first[name].map((_, i) => lines.reduce((sum, line) => sum + line[name][i], 0));
      const total = (name) => lines.reduce((sum, line) => sum + line[name], 0);
      const removed = add('removed'), kept = add('kept');
      return {
        rows: removed.map((count, i) => ({ from: 10 ** (first.low + i * first.width), to: 10 ** (first.low + (i + 1) * first.width), removed: count, kept: kept[i] })),
        below: { removed: total('removed_below'), kept: total('kept_below') },
        highest: Math.max(...lines.map((line) => line.highest_removed).filter(known)), lowest: Math.min(...lines.map((line) => line.lowest_kept).filter(known)),
      };
    };

    return runs.each(container, data.runs.filter((run) => runs.saliency(run).length > 0), async (place, run) => {
      const lines = runs.saliency(run);
      const key = (line) => `${line.epoch}/${line.sub_step}`;
      const steps = [...new Map(lines.map((line) => [key(line), line])).values()];
      const metrics = (step) => runs.steps(run).find((row) => row.epoch === step.epoch && row.sub_step === step.sub_step);
      const layers = [...new Set(lines.map((line) => line.layer))];
      const state = { step: steps[0], layer: all };
      const bar = espalier.toolbar(place), body = element('div');
      place.append(body);
      const draw = () => {
        body.replaceChildren();
        const mine = lines.filter((line) => key(line) === key(state.step) && (state.layer === all || line.layer === state.layer));
        const { rows, below, highest, lowest } = joined(mine);
        const sharp = known(highest) && known(lowest) && highest <= lowest;
        const cut = sharp && lowest > 0 ? [{ at: Math.sqrt(Math.max(highest, rows[0].from) * lowest), label: 'cut' }] : [];
        const zero = below.removed + below.kept;
        const bars = (from, to, fill) => ({
          type: 'rect', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', field: 'from' }, x2: { scale: 'x', field: 'to', offset: -1 }, y: { scale: 'y', signal: to }, y2: { scale: 'y', signal: from }, fill: { value: fill },
            tooltip: { signal: spec.hint({ from: "format(datum.from, '.2~e')", to: "format(datum.to, '.2~e')", kept: 'datum.kept', removed: 'datum.removed' }) } } } });
        return espalier.chart(body, {
          title: `Saliency of ${state.layer === all ? 'all weights' : state.layer}, step at epoch ${state.step.epoch}${state.step.sub_step > 1 ? `, part ${state.step.sub_step}` : ''}`,
          name: `saliency_${state.layer}_${key(state.step)}`, rows,
          guide: `The criterion's score of every weight that was still there: the rise of the loss it expects from removing this weight, up to scale. Orange weights were removed, blue ones kept.${
            sharp ? '' : ' The two overlap: layers had targets of their own, scores were weighed by multiply-adds, or sets of weights were chosen together.'}${
            zero > 0 ? ` ${format.count(zero)} weights with a score of zero (${format.count(below.removed)} of them removed) have no place on a logarithmic axis.` : ''}`,
          spec: ({ theme }) => spec.xy({
            height: 280, x: { field: ['from', 'to'], title: 'saliency (logarithmic)', type: 'log', nice: false, domain: [rows[0].from, rows.at(-1).to], format: '~e', axis: { labelFlush: true } },
            y: { field: 'total', title: 'weights', zero: true, nice: true, domain: { data: 'sums', field: 'total' } },
            data: [{ name: 'cut', values: cut }, { name: 'sums', source: 'rows', transform: [{ type: 'formula', as: 'total', expr: 'datum.removed + datum.kept' }] }],
            scales: [{ name: 'fate', type: 'ordinal', domain: ['removed', 'kept'], range: [theme.orange, theme.blue] }], legends: [spec.legend('fill', 'fate', undefined, { symbolType: 'square' })],
            marks: [bars('0', 'datum.kept', theme.blue), bars('datum.kept', 'datum.kept + datum.removed', theme.orange), ...spec.rules({ field: 'at', data: 'cut', label: 'label', colour: theme.text })],
          }),
        });
      };
      espalier.choice(bar, { label: 'Step', value: 0, onChange: (i) => { state.step = steps[i]; return draw(); },
        options: steps.map((step, i) => ({ value: i, label: `epoch ${step.epoch}${step.sub_step > 1 || steps.some((s) => s !== step && s.epoch === step.epoch) ? `, part ${step.sub_step}` : ''}: ${format.percent(metrics(step)?.sparsity)}` })) });
      espalier.choice(bar, { label: 'Layer', value: all, onChange: (layer) => { state.layer = layer; return draw(); }, options: [all, ...layers] });
      await draw();
    });
  },
});
