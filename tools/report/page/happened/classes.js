// classes.js: the test images class by class: accuracy of each, what is taken for what, and whether confidence is earned.
espalier.section({
  id: 'classes', part: 'happened', title: 'Classes',
  needs: (data) => data.runs.some((run) => Array.isArray(run.evaluation?.classes)),
  draw(container, data) {
    const { runs, spec, format } = espalier;
    const percent = (name) => `isValid(datum.${name}) ? format(datum.${name}, '.2%') : 'no image'`;

    /** Bars of accuracy, the worst class last. */
    const bars = (names) => ({ theme }) => spec.xy({
      height: Math.max(80, names.length * (names.length > 30 ? 14 : 22)), x: { field: 'accuracy', title: 'accuracy', domain: [0, 1], format: '.0~%', axis: { grid: true } },
      y: { field: 'class', title: null, type: 'band', domain: names, grid: false, padding: 0.25 },
      marks: [{ type: 'rect', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', value: 0 }, x2: { scale: 'x', field: 'accuracy' }, y: { scale: 'y', field: 'class' }, height: { scale: 'y', band: 1 },
        fill: { value: theme.blue }, tooltip: { signal: spec.hint({ class: 'datum.class', images: 'datum.images', accuracy: percent('accuracy') }) } } } }],
    });
    /** Cells label x predicted; the share of the label's images. */
    const matrix = (names) => ({ theme }) => spec.xy({
      height: Math.min(760, Math.max(160, names.length * (names.length > 30 ? 9 : 26))),
      x: { field: 'predicted', title: 'predicted', type: 'band', domain: names, padding: names.length > 30 ? 0 : 0.04, axis: { labelAngle: -40, labelAlign: 'right', labelLimit: 110 } },
      y: { field: 'label', title: 'label', type: 'band', domain: names, padding: names.length > 30 ? 0 : 0.04, grid: false },
      scales: [{ name: 'share', type: 'sqrt', domain: [0, 1], range: [theme.zero, theme.blue] }],
      legends: [{ ...spec.legend('fill', 'share', 'share of the label’s images'), type: 'gradient', gradientLength: 160, format: '.0%' }],
      marks: [
        { type: 'rect', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', field: 'predicted' }, width: { scale: 'x', band: 1 }, y: { scale: 'y', field: 'label' }, height: { scale: 'y', band: 1 },
          fill: { scale: 'share', field: 'share' }, tooltip: { signal: spec.hint({ label: 'datum.label', predicted: 'datum.predicted', images: 'datum.images', share: percent('share') }) } } } },
        ...(names.length > 20 ? [] : [{ type: 'text', from: { data: 'rows' }, interactive: false, encode: { update: { x: { scale: 'x', field: 'predicted', band: 0.5 }, y: { scale: 'y', field: 'label', band: 0.5 },
          align: { value: 'center' }, baseline: { value: 'middle' }, fontSize: { value: 10 }, text: { signal: "datum.images > 0 ? datum.images : ''" },
          fill: { signal: `datum.share > 0.35 ? '${theme.dark ? '#111' : '#fff'}' : '${theme.text}'` } } } }]),
      ],
    });
    /** Accuracy against confidence; the diagonal is a network that knows what it knows. */
    const calibration = ({ theme }) => spec.xy({
      height: 260, x: { field: 'confidence', title: 'confidence: probability of the predicted class', domain: [0, 1], format: '.0~%' }, y: { field: 'accuracy', title: 'accuracy', domain: [0, 1], format: '.0~%' },
      marks: [
        { type: 'rule', encode: { update: { x: { scale: 'x', value: 0 }, y: { scale: 'y', value: 0 }, x2: { scale: 'x', value: 1 }, y2: { scale: 'y', value: 1 }, stroke: { value: theme.text }, strokeDash: { value: [4, 3] } } } },
        spec.line({ x: 'confidence', y: 'accuracy', colour: { value: theme.blue } }),
        spec.points({ x: 'confidence', y: 'accuracy', colour: { value: theme.blue }, size: 50, tooltip: { images: 'datum.images', confidence: percent('confidence'), accuracy: percent('accuracy') } }),
      ],
    });

    return runs.each(container, data.runs.filter((run) => Array.isArray(run.evaluation?.classes)), async (place, run) => {
      const e = run.evaluation, classes = e.classes.map((c) => (typeof c === 'object' && c !== null ? c : {}));
      const names = classes.map((c, k) => (classes.findIndex((other) => other.name === c.name) === k ? String(c.name) : `${c.name} (${k})`));
      const rows = classes.map((c, k) => ({ class: names[k], images: c.images, accuracy: c.accuracy }));
      const sorted = rows.filter((row) => row.images > 0 && espalier.known(row.accuracy)).sort((a, b) => b.accuracy - a.accuracy), worst = sorted.at(-1), best = sorted[0];
      if (!worst) return;
      const shown = sorted.length <= 60 ? sorted : [...sorted.slice(0, 20), ...sorted.slice(-40)];
      place.append(espalier.element('p', {}, `Of ${format.count(e.images)} test images ${format.percent(e.accuracy)} are classified right${espalier.known(e.top5) ? `, and for ${format.percent(e.top5)} the label is among the best five` : ''}. Expected calibration error: ${format.percent(e.calibration_error)}.`));
      await espalier.chart(place, {
        title: 'Accuracy of every class', name: 'classes', rows: shown, spec: bars(shown.map((row) => row.class)),
        guide: `Share of a class’s test images that are predicted as such, best first: from ${best.class} (${format.percent(best.accuracy)}) to ${worst.class} (${format.percent(worst.accuracy)}).${shown.length < sorted.length ? ` The 20 best and 40 worst of ${sorted.length} classes.` : ''}`,
      });
      if (Array.isArray(e.confusion) && e.confusion.length === names.length && e.confusion.every((row) => Array.isArray(row) && row.length === names.length && row.every(espalier.known))) {
        const cells = e.confusion.flatMap((row, i) => row.map((images, j) => ({ label: names[i], predicted: names[j], images, share: classes[i].images > 0 ? images / classes[i].images : 0 })));
        const wrong = cells.filter((cell) => cell.label !== cell.predicted).sort((a, b) => b.images - a.images)[0];
        await espalier.chart(place, {
          title: 'What is taken for what', name: 'confusion', rows: cells, spec: matrix(names),
          guide: `Each row is the images of one label, spread over the classes predicted; right ones lie on the diagonal.${wrong?.images > 0 ? ` The most frequent confusion: ${format.count(wrong.images)} of ${wrong.label} are taken for ${wrong.predicted}.` : ' No image is taken for another class.'} Pale shades are stretched so that rare confusions show.`,
        });
      }
      const bins = (Array.isArray(e.calibration) ? e.calibration : []).filter((bin) => bin?.images > 0 && espalier.known(bin.confidence) && espalier.known(bin.accuracy));
      if (bins.length > 0)
        await espalier.chart(place, {
          title: 'Is its confidence earned?', name: 'calibration', rows: bins, spec: calibration,
          guide: 'Images grouped by the probability of the predicted class. On the dashed diagonal, of the images that are predicted with 80 % confidence 80 % are right; below it the network is too sure of itself. The calibration error is the mean distance from the diagonal, weighted by images.',
        });
    });
  },
});
