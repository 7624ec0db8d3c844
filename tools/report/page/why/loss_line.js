// loss_line.js: figure of chapter 1: the loss measured on the way to a removed filter, and the quadratic model of it.
espalier.lossLineFigure = (container, data) =>
  espalier.networkFigure(container, data, {
    name: 'loss-line',
    draw: async (host, tour) => {
      const { format, choice, toolbar } = espalier;
      if (!Array.isArray(tour.lines) || tour.lines.length === 0) {
        espalier.notice(host, 'tour.json holds no line.');
        return;
      }
      let line = tour.lines[0],
        chart = null;
      const curves = ['measured', 'g and H: second order', 'H alone: gradient taken as zero', 'g and empirical Fisher'];
      const rows = () =>
        line.t.flatMap((t, i) =>
          [
            line.measured[i],
            line.slope * t + (line.hessian * t * t) / 2,
            (line.hessian * t * t) / 2,
            line.slope * t + (line.empirical_fisher * t * t) / 2,
          ].map((change, k) => ({ t, curve: curves[k], change })),
        );
      const bar = toolbar(host);
      choice(bar, {
        label: 'Filter',
        value: line,
        options: tour.lines.map((l) => ({ value: l, label: `${l.what} (${format.count(l.weights)} weights)` })),
        onChange: (l) => {
          line = l;
          chart.update(rows());
        },
      });
      chart = await espalier.chart(host, {
        name: 'loss-line',
        title: 'The model and the loss on one line through your network',
        rows: rows(),
        columns: ['t', 'curve', 'change'],
        guide:
          "All weights of one filter (one neuron of a linear layer) shrink together, from what they are (left) to zero (right). Near the left end the second-order curve and the measurement must touch; to the right they part where the loss is no longer quadratic. The third curve drops the gradient, the fourth puts the empirical Fisher in the Hessian's place.",
        spec: ({ theme }) => {
          const colours = [theme.text, theme.red, theme.purple, theme.blue],
            dashes = [
              [1, 0],
              [1, 0],
              [3, 3],
              [8, 4],
            ];
          return espalier.spec.xy({
            height: 260,
            x: { field: 't', title: 'share of the way to zero', format: '.0%', domain: [0, 1] },
            y: { field: 'change', title: 'loss change', format: '.2~g' },
            colour: { field: 'curve', domain: curves, range: colours, dashes, each: 250 },
            data: curves.map((c, k) => ({
              name: `curve${k}`,
              source: 'rows',
              transform: [{ type: 'filter', expr: `datum.curve === ${JSON.stringify(c)}` }],
            })),
            marks: [
              ...curves.map((c, k) =>
                espalier.spec.line({
                  x: 't',
                  y: 'change',
                  colour: { value: colours[k] },
                  dash: { value: dashes[k] },
                  data: `curve${k}`,
                }),
              ),
              espalier.spec.points({
                x: 't',
                y: 'change',
                colour: { value: theme.text },
                data: 'curve0',
                size: 40,
                tooltip: {
                  'share of the way': "format(datum.t, '.0%')",
                  'loss change': "format(datum.change, '+.4~g')",
                },
              }),
            ],
          });
        },
      });
      chart.host.before(bar);
    },
  });
