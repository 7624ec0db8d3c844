// tour_data.js: a run's tour.json as the figures use it, and the frame that each figure of the tour stands in.
(() => {
  const { element, bytes, notice } = espalier;
  const { fromTriangle } = espalier.matrix;

  /** Runs that have a tour: [{run, tour, problem}]. */
  let found = null;
  const withTour = (data) =>
    (found ??= data.runs.filter((run) => run.tour).map((run) => ({ run, tour: run.tour, problem: espalier.tourProblem(run.tour) })));
  /** Those whose tour can be shown. */
  const tours = (data) => withTour(data).filter(({ problem }) => problem === null);

  /** The matrices of a layer, in the order in which figures show them. */
  const kinds = [
    { key: 'hessian', title: 'Hessian' },
    { key: 'empirical_fisher', title: 'empirical Fisher' },
    { key: 'sampled_fisher', title: 'true Fisher, drawn labels' },
  ];
  /** What a layer is made of: its weights are named [o,i] or [o,i,h,w]. */
  const unitOf = (layer) => (layer.block.names[0].split(',').length === 2 ? 'neuron' : 'filter');
  const layerOptions = (tour) =>
    tour.layers.map((layer) => ({ value: layer, label: `${layer.name} (${espalier.format.count(layer.weights)} weights)` }));

  /** {hessian, sampled_fisher, empirical_fisher} of a layer's block, as arrays of rows, over the i-th number of examples. */
  function blockMatrices(layer, i) {
    const entry = layer.block.matrices[i],
      n = layer.block.w.length;
    return Object.fromEntries(['hessian', 'sampled_fisher', 'empirical_fisher'].map((kind) => [kind, fromTriangle(entry[kind], n)]));
  }

  /** The same of the larger picture, from its bytes: value = scale sign(q) (q / 127)^2. */
  function pictureMatrices(layer) {
    const { size, scale } = layer.picture;
    return Object.fromEntries(
      ['hessian', 'sampled_fisher', 'empirical_fisher'].map((kind) => {
        const q = bytes(layer.picture[kind], true);
        return [
          kind,
          Array.from({ length: size }, (_, i) =>
            Array.from({ length: size }, (__, j) => {
              const t = q[i * size + j] / 127;
              return scale * Math.sign(t) * t * t;
            }),
          ),
        ];
      }),
    );
  }

  /**
   * A figure of the tour: heading, reading guide, what `draw(host)` makes, and its numbers and picture as files.
   *   files: {csv: () => ({columns, rows}), picture: () => canvas or svg element}, filled by draw; what: {csv, picture} in a word
   *   without a title the figure is the frame of one chart
   */
  async function tourFigure(container, { name, title, guide, draw, files = {}, what = {} }) {
    const heading = element('h3', { id: `figure-${name}` }, title);
    const caption = element('figcaption', {}, heading);
    const host = element('div', { class: 'tour-host' });
    const figure = element('figure', { class: 'chart tour', 'data-figure': name, 'aria-labelledby': heading.id }, caption, host);
    if (title === undefined) {
      // one chart, which brings its own heading
      figure.removeAttribute('aria-labelledby');
      figure.classList.add('bare');
      caption.remove();
    } else espalier.prose(caption, guide).className = 'guide';
    container.append(figure);
    try {
      await draw(host, files);
    } catch (error) {
      console.error(error);
      notice(host, `This figure could not be drawn (${error.message}).`);
      return figure;
    }
    const tools = element('div', { class: 'tools' });
    const button = (text, save) =>
      element('button', { type: 'button', 'aria-label': `Save as ${text}: ${title}`, on: { click: save } }, text);
    if (files.picture)
      tools.append(
        button(`PNG of the ${what.picture ?? 'picture'}`, async () =>
          (await raster(files.picture())).toBlob((blob) => espalier.download(`${name}.png`, blob), 'image/png'),
        ),
      );
    if (files.csv)
      tools.append(
        button(`CSV of the ${what.csv ?? 'numbers'}`, () => {
          const { columns, rows } = files.csv();
          espalier.download(`${name}.csv`, new Blob([espalier.csv(columns, rows)], { type: 'text/csv' }));
        }),
      );
    if (tools.childElementCount > 0) figure.append(tools);
    return figure;
  }

  /** A canvas with what is shown by an svg, a canvas, or canvases side by side. */
  async function raster(shown) {
    if (Array.isArray(shown)) {
      const width = shown.reduce((sum, c) => sum + c.width + 16, 16),
        height = Math.max(...shown.map((c) => c.height)) + 32;
      const canvas = element('canvas', { width, height }),
        context = canvas.getContext('2d');
      context.fillStyle = espalier.theme().background;
      context.fillRect(0, 0, width, height);
      shown.reduce((x, c) => {
        context.drawImage(c, x, 16);
        return x + c.width + 16;
      }, 16);
      return canvas;
    }
    if (shown instanceof HTMLCanvasElement) return shown;
    const box = shown.getBoundingClientRect(),
      copy = shown.cloneNode(true);
    copy.setAttribute('width', box.width);
    copy.setAttribute('height', box.height);
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    const styled = (from, to) => {
      const style = getComputedStyle(from);
      for (const property of [
        'fill',
        'stroke',
        'stroke-width',
        'stroke-dasharray',
        'opacity',
        'font-size',
        'font-family',
        'font-weight',
        'text-anchor',
      ])
        to.style?.setProperty(property, style.getPropertyValue(property));
      [...from.children].forEach((child, i) => styled(child, to.children[i]));
    };
    styled(shown, copy);
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
    await image.decode();
    const canvas = element('canvas', { width: 2 * box.width, height: 2 * box.height }),
      context = canvas.getContext('2d');
    context.fillStyle = espalier.theme().background;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** A figure of the user's own network: `draw(host, tour, run, files)` for the run chosen; a notice if no run has a tour. */
  function networkFigure(container, data, { draw, ...rest }) {
    const list = tours(data);
    return tourFigure(container, {
      ...rest,
      draw: async (host, files) => {
        for (const { run, problem } of withTour(data))
          if (problem)
            notice(host, `tour.json of ${run.name} cannot be shown: ${problem}. Delete it, and espalier prune --resume writes it again.`);
        if (list.length === 0) {
          if (withTour(data).length === 0)
            notice(
              host,
              'No run of this page has a tour.json, which holds what this figure shows of the network. The verbs prune and curvature write it at their end.',
            );
          return;
        }
        const body = element('div', {});
        const show = async (entry) => {
          body.replaceChildren();
          await draw(body, entry.tour, entry.run, files);
        };
        if (list.length > 1)
          espalier.choice(espalier.toolbar(host), {
            label: 'Run',
            value: list[0],
            onChange: show,
            options: list.map((entry) => ({ value: entry, label: entry.run.name })),
          });
        host.append(body);
        await show(list[0]);
      },
    });
  }

  Object.assign(espalier, { tours, kinds, layerOptions, blockMatrices, pictureMatrices, tourFigure, networkFigure, unitOf });
})();
