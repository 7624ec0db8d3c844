// one_weight.js: a few weights of the user's network, one at a time: what each criterion says, who takes over, what happens.
espalier.oneWeightFigure = (container, data) =>
  espalier.networkFigure(container, data, {
    name: 'one-weight',
    what: { csv: 'scores of all these weights' },
    title: 'One weight of the network',
    guide:
      'Some weights that are cheap, some that are dear, and those on which magnitude and the second-order criterion differ most. The numbers are those of `espalier explain`.',
    draw: async (host, tour, run, files) => {
      const { element, format, choice, toolbar } = espalier;
      if (!Array.isArray(tour.weights) || tour.weights.length === 0) {
        espalier.notice(host, 'tour.json names no weight.');
        return;
      }
      const titles = {
        magnitude: 'magnitude',
        diagonal_fisher: 'OBD (diagonal Fisher)',
        woodfisher: 'WoodFisher',
        woodtaylor: 'WoodTaylor',
      };
      const order = Object.keys(titles);
      let weight = tour.weights[0],
        ranks = null,
        absorbers = null,
        losses = null;
      choice(toolbar(host), {
        label: 'Weight',
        value: weight,
        options: tour.weights.map((w) => ({ value: w, label: `${w.name}: ${w.why}` })),
        onChange: (w) => {
          weight = w;
          show();
        },
      });
      const about = element('p', { class: 'verdict', role: 'status' }),
        scores = element('div', {}),
        charts = element('div', {}),
        command = element('p', { class: 'guide' });
      host.append(about, scores, charts, command);

      const before = (c) => (c.rank - 1) / tour.prunable_weights;
      const rankRows = () =>
        weight.criteria.map((c) => ({
          criterion: titles[c.criterion],
          score: c.score,
          rank: c.rank,
          before: before(c),
        }));
      const absorberRows = () =>
        weight.absorbed_by.map((a) => ({
          weight: a.weight,
          value: a.value,
          delta: a.delta,
          share: a.value === 0 ? null : a.delta / a.value,
        }));
      const hows = { 'set to zero, nothing else moves': 'set to zero' };
      const named = (update) => hows[update] ?? titles[update] ?? update;
      const pairRows = () =>
        tour.weights.flatMap((w) =>
          w.removal
            .filter((r) => r.update !== 'woodtaylor')
            .map((r) => ({
              weight: w.name,
              update: named(r.update),
              predicted: r.predicted_loss_change,
              measured: r.measured_loss_change,
            })),
        );

      async function show() {
        const fate = weight.removed === undefined ? '' : weight.removed ? ' This run removed it.' : ' This run kept it.';
        about.replaceChildren(
          element('b', {}, weight.name),
          ` = ${format.number(weight.value)}, mean gradient ${format.number(weight.mean_gradient, 3)}, [F⁻¹]qq = ${format.number(weight.inverse_diagonal)}.`,
          element('b', {}, fate),
        );
        scores.replaceChildren();
        espalier.table(scores, {
          caption: `What each criterion says of it, among ${format.count(tour.prunable_weights)} weights; curvature from ${format.count(tour.num_grads)} gradients`,
          rows: rankRows(),
          columns: [
            { name: 'criterion', title: 'criterion' },
            { name: 'score', title: 'score', numeric: true, format: (v) => format.number(v) },
            { name: 'rank', title: 'goes as number', numeric: true, format: format.count },
            { name: 'before', title: 'weights that go before it', numeric: true, format: (v) => format.percent(v, 1) },
          ],
        });
        espalier.table(scores, {
          caption: 'Loss change when it goes: predicted by the quadratic model, measured on the same examples, and on training examples that the Fisher has not seen',
          rows: weight.removal,
          columns: [
            { name: 'update', title: 'the others', format: named },
            { name: 'predicted_loss_change', title: 'predicted', numeric: true, format: (v) => format.number(v) },
            { name: 'measured_loss_change', title: 'measured', numeric: true, format: (v) => format.number(v) },
            ...(weight.removal.some((r) => espalier.known(r.held_out_loss_change)) ? [{ name: 'held_out_loss_change', title: 'held out', numeric: true, format: (v) => format.number(v) }] : []),
          ],
        });
        command.replaceChildren(
          'To see the same in a terminal: ',
          element(
            'code',
            {},
            `espalier explain ${run.folder}/config.json${tour.checkpoint ? ` --set checkpoint=${run.folder}/${tour.checkpoint}` : ''} --set prune.num_grads=${tour.num_grads} --weight "${weight.name}"`,
          ),
        );
        await Promise.all([ranks?.update(rankRows()), losses?.redraw()]);
        if (absorbers) await drawAbsorbers();
      }
      await show();
      const place = element('div', {}),
        third = element('div', {});
      const S = espalier.spec;
      const firstHost = element('div', {});
      charts.append(firstHost, place, third);
      ranks = await espalier.chart(firstHost, {
        name: 'weight-ranks',
        title: 'Its place in each ranking',
        rows: rankRows(),
        guide: 'Left goes first. Points far apart: the criteria disagree about this weight.',
        spec: ({ theme }) =>
          S.xy({
            height: 130,
            x: { field: 'before', title: 'share of the weights that go before it', domain: [0, 1], format: '.0%' },
            y: { field: 'criterion', type: 'point', domain: order.map((o) => titles[o]), padding: 0.5, grid: false },
            colour: {
              field: 'criterion',
              domain: order.map((o) => titles[o]),
              range: order.map(espalier.methodColour),
              legend: false,
            },
            marks: [
              {
                type: 'rule',
                from: { data: 'rows' },
                encode: {
                  update: {
                    x: { value: 0 },
                    x2: { scale: 'x', field: 'before' },
                    y: { scale: 'y', field: 'criterion' },
                    stroke: { value: theme.grid },
                    strokeWidth: { value: 4 },
                  },
                },
              },
              S.points({
                x: 'before',
                y: 'criterion',
                series: 'criterion',
                size: 140,
                tooltip: { criterion: 'datum.criterion', rank: 'datum.rank', score: "format(datum.score, '.4~g')" },
              }),
            ],
          }),
      });
      async function drawAbsorbers() {
        place.replaceChildren();
        const rows = absorberRows();
        if (rows.length === 0) {
          espalier.notice(
            place,
            `No other weight moves when ${weight.name} goes: its gradient is zero for all examples, or its block holds nothing else.`,
          );
          return;
        }
        absorbers = await espalier.chart(place, {
          name: 'absorbers',
          title: `Who absorbs the removal of ${weight.name}`,
          rows,
          columns: ['weight', 'value', 'delta', 'share'],
          guide: "The ten largest entries of WoodFisher's update: these weights move to do what the removed one did.",
          spec: ({ theme }) =>
            S.xy({
              height: 24 * rows.length + 10,
              x: {
                field: 'delta',
                title: 'change of the weight',
                zero: true,
                format: Math.abs(rows[0].delta) < 1e-3 ? '.1~e' : '.2~g',
              },
              y: { field: 'weight', type: 'band', domain: rows.map((r) => r.weight), padding: 0.25, grid: false },
              marks: [
                {
                  type: 'rect',
                  from: { data: 'rows' },
                  encode: {
                    update: {
                      x: { scale: 'x', value: 0 },
                      x2: { scale: 'x', field: 'delta' },
                      y: { scale: 'y', field: 'weight' },
                      height: { scale: 'y', band: 1 },
                      fill: { signal: `datum.delta < 0 ? '${theme.orange}' : '${theme.blue}'` },
                      tooltip: {
                        signal: S.hint({
                          weight: 'datum.weight',
                          value: "format(datum.value, '.4~g')",
                          change: "format(datum.delta, '+.3~g')",
                        }),
                      },
                    },
                  },
                },
              ],
            }),
        });
      }
      absorbers = true;
      await drawAbsorbers();
      losses = await espalier.chart(third, {
        name: 'weight-loss',
        title: 'Predicted against measured, for all these weights',
        rows: pairRows(),
        columns: ['weight', 'update', 'predicted', 'measured'],
        guide:
          "Each weight twice: set to zero with nothing else moving, and removed with WoodFisher's update. The line is predicted = measured; near zero the scale is linear. The weight chosen above is filled. WoodTaylor is in the table only, for its gradient step moves all weights, and far more.",
        spec: ({ theme }) => {
          const all = pairRows().flatMap((r) => [r.predicted, r.measured]),
            far = Math.max(...all.map(Math.abs)),
            close = Math.max(1e-9, far / 1e4);
          const axis = {
            type: 'symlog',
            constant: close,
            domain: [Math.min(0, ...all) * 1.5, Math.max(far / 100, ...all) * 1.5],
            format: '.0e',
            ticks: 6,
          };
          return S.xy({
            height: 260,
            x: { field: 'predicted', title: 'predicted loss change', ...axis },
            y: { field: 'measured', title: 'measured', ...axis },
            colour: {
              field: 'update',
              domain: ['set to zero', 'WoodFisher'],
              range: [theme.orange, theme.blue],
              channel: 'fill',
              symbol: 'circle',
            },
            data: [{ name: 'ends', values: axis.domain.map((v) => ({ v })) }],
            marks: [
              {
                type: 'line',
                from: { data: 'ends' },
                encode: {
                  update: {
                    x: { scale: 'x', field: 'v' },
                    y: { scale: 'y', field: 'v' },
                    stroke: { value: theme.muted },
                    strokeDash: { value: [4, 3] },
                  },
                },
              },
              {
                type: 'symbol',
                from: { data: 'rows' },
                encode: {
                  update: {
                    x: { scale: 'x', field: 'predicted' },
                    y: { scale: 'y', field: 'measured' },
                    size: { value: 110 },
                    shape: { signal: "datum.update === 'WoodFisher' ? 'circle' : 'square'" },
                    fill: { scale: 'colour', field: 'update' },
                    stroke: { scale: 'colour', field: 'update' },
                    strokeWidth: { value: 2 },
                    fillOpacity: { signal: `datum.weight === ${JSON.stringify(weight.name)} ? 1 : 0.12` },
                    tooltip: {
                      signal: S.hint({
                        weight: 'datum.weight',
                        update: 'datum.update',
                        predicted: "format(datum.predicted, '+.3~g')",
                        measured: "format(datum.measured, '+.3~g')",
                      }),
                    },
                  },
                },
              },
            ],
          });
        },
      });
      files.csv = () => ({
        columns: ['weight', 'criterion', 'score', 'rank'],
        rows: tour.weights.flatMap((w) =>
          w.criteria.map((c) => ({ weight: w.name, criterion: c.criterion, score: c.score, rank: c.rank })),
        ),
      });
    },
  });
