// matrix_view.js: symmetric matrices as pictures: panels side by side with one shared scale, one legend and one cursor,
// that is read by pointer, touch and keyboard.
(() => {
  const { element, format } = espalier;
  const ends = {
    light: { negative: ['#e9a15a', '#8a3c00'], positive: ['#7db4e6', '#003f73'], outside: '#d5d8d3' },
    dark: { negative: ['#a85a1c', '#ffc48a'], positive: ['#2f6ea8', '#a9d6ff'], outside: '#3a423e' },
  };
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const mix = (a, b, t) => a.map((v, i) => Math.round(v + t * (b[i] - v)));

  /** value/max in -1..1 -> [r, g, b]: orange below zero, blue above; told apart by hue and by lightness from zero. */
  function colourScale(theme) {
    const set = theme.dark ? ends.dark : ends.light,
      zero = rgb(theme.zero);
    const side = (pair) => {
      const [mid, end] = pair.map(rgb);
      return (t) => (t < 0.5 ? mix(zero, mid, 2 * t) : mix(mid, end, 2 * t - 1));
    };
    const up = side(set.positive),
      down = side(set.negative);
    return { colour: (t) => (t >= 0 ? up(Math.min(1, t)) : down(Math.min(1, -t))), outside: rgb(set.outside) };
  }

  /** Numbers of a picture: 3 significant digits. */
  const short = (v) => format.number(v, 3);

  /**
   * Panels of n x n matrices.
   *   panels: [{key, title, lit, at(i, j)}]; names[i] of the weights; max: of |value|, for the shared scale;
   *   power: 2 draws by the square root of |value| (small entries show); a panel's dim(i, j): an entry that is left out;
   *   outline: a block size whose diagonal blocks are framed; numbers: write values into cells where they fit;
   *   onSelect(i): a row was clicked, or Enter pressed
   * Returns {element, update(changes), cursor}. The element's own text says what the cursor reads.
   */
  function matrixPanels(container, initial) {
    let state = { power: 1, outline: 0, numbers: false, readout: true, legend: true, ...initial };
    const cursor = { i: 0, j: 0, on: false };
    const grid = element('div', { class: 'panels' });
    const read = element('p', { class: 'readout', role: 'status' });
    const legend = element('div', { class: 'scale' });
    const host = element('div', { class: 'matrices' }, grid, state.readout ? read : null, state.legend ? legend : null);
    container.append(host);
    let shown = [];

    const say = () => {
      if (!cursor.on) {
        read.textContent =
          state.hint ??
          `Point at an entry, or focus a picture and use the arrow keys${state.onSelect ? '; Enter or a click shows its row' : ''}.`;
        return;
      }
      const { i, j } = cursor;
      read.replaceChildren(
        element('span', { class: 'place' }, i === j ? state.names[i] : `${state.names[i]}, ${state.names[j]}`),
        ...state.panels.map((p) => element('span', {}, `${p.title}: `, element('b', {}, p.dim?.(i, j) ? '–' : short(p.at(i, j))))),
      );
    };

    function paint() {
      const theme = espalier.theme(),
        scale = colourScale(theme),
        n = state.n;
      shown.forEach(({ canvas }, k) => {
        const panel = state.panels[k];
        const ratio = window.devicePixelRatio || 1,
          side = Math.max(40, Math.round(canvas.clientWidth * ratio));
        canvas.width = canvas.height = side;
        const context = canvas.getContext('2d'),
          cell = side / n;
        const unit = (v) => (state.max > 0 ? Math.sign(v) * Math.min(1, Math.abs(v) / state.max) ** (1 / state.power) : 0);
        const small = new ImageData(n, n);
        for (let i = 0; i < n; ++i)
          for (let j = 0; j < n; ++j) {
            const c = panel.dim?.(i, j) ? scale.outside : scale.colour(unit(panel.at(i, j)));
            small.data.set([c[0], c[1], c[2], 255], 4 * (i * n + j));
          }
        const source = element('canvas', { width: n, height: n });
        source.getContext('2d').putImageData(small, 0, 0);
        context.imageSmoothingEnabled = false;
        context.drawImage(source, 0, 0, side, side);
        if (state.numbers && cell / ratio >= 34) {
          context.font = `${Math.min(13, cell / ratio / 4.4) * ratio}px system-ui, sans-serif`;
          context.textAlign = 'center';
          context.textBaseline = 'middle';
          for (let i = 0; i < n; ++i)
            for (let j = 0; j < n; ++j) {
              const [r, g, b] = scale.colour(unit(panel.at(i, j)));
              context.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 140 ? '#101413' : '#ffffff';
              context.fillText(format.number(panel.at(i, j), 2), (j + 0.5) * cell, (i + 0.5) * cell);
            }
        }
        if (state.outline > 1 && state.outline < n) {
          context.strokeStyle = theme.text;
          context.lineWidth = ratio;
          for (let b = 0; b < n; b += state.outline) {
            const width = Math.min(state.outline, n - b) * cell;
            context.strokeRect(b * cell + ratio / 2, b * cell + ratio / 2, width - ratio, width - ratio);
          }
        }
        if (state.removed) {
          // weights that the run removed: ticks along the left edge
          context.fillStyle = theme.text;
          state.removed.forEach((gone, i) => {
            if (gone) context.fillRect(0, (i + 0.25) * cell, 3 * ratio, Math.max(1, cell / 2));
          });
        }
        if (cursor.on) {
          const { i, j } = cursor;
          context.strokeStyle = theme.text;
          context.lineWidth = Math.max(1, ratio);
          context.globalAlpha = 0.45;
          context.strokeRect(0, i * cell, side, cell);
          context.strokeRect(j * cell, 0, cell, side);
          context.globalAlpha = 1;
          context.lineWidth = 2 * ratio;
          context.strokeRect(j * cell - ratio, i * cell - ratio, cell + 2 * ratio, cell + 2 * ratio);
        }
      });
    }

    function paintLegend() {
      const theme = espalier.theme(),
        scale = colourScale(theme),
        width = 220;
      const bar = element('canvas', { width, height: 1, class: 'bar', 'aria-hidden': 'true' });
      const image = new ImageData(width, 1);
      for (let x = 0; x < width; ++x) image.data.set([...scale.colour((2 * x) / (width - 1) - 1), 255], 4 * x);
      bar.getContext('2d').putImageData(image, 0, 0);
      const tick = (t) => element('span', {}, short(Math.sign(t) * Math.abs(t) ** state.power * state.max));
      legend.replaceChildren(
        bar,
        element('div', { class: 'ticks' }, [-1, -0.5, 0, 0.5, 1].map(tick)),
        element(
          'small',
          {},
          [
            'One scale for all pictures.',
            state.power === 2 ? 'Colour follows the square root of the value, so that small entries show.' : null,
            state.removed?.some(Boolean) ? 'Ticks at the left edge: weights that this run removed.' : null,
          ]
            .filter(Boolean)
            .join(' '),
        ),
      );
    }

    function move(i, j) {
      Object.assign(cursor, {
        i: Math.max(0, Math.min(state.n - 1, i)),
        j: Math.max(0, Math.min(state.n - 1, j)),
        on: true,
      });
      say();
      paint();
      state.onRead?.(cursor.i, cursor.j);
    }
    const place = (event, canvas) => {
      const box = canvas.getBoundingClientRect();
      return [
        Math.floor(((event.clientY - box.top) / box.height) * state.n),
        Math.floor(((event.clientX - box.left) / box.width) * state.n),
      ];
    };

    function build() {
      shown = state.panels.map((panel) => {
        const canvas = element('canvas', {
          tabindex: '0',
          role: 'img',
          'aria-label': `${panel.title}: ${state.n} x ${state.n} matrix; arrow keys read entries`,
          on: {
            pointermove: (event) => move(...place(event, canvas)),
            click: (event) => {
              move(...place(event, canvas));
              state.onSelect?.(cursor.i);
            },
            focus: () => {
              if (!cursor.on) move(cursor.i, cursor.j);
            },
            keydown: (event) => {
              const by = {
                ArrowUp: [-1, 0],
                ArrowDown: [1, 0],
                ArrowLeft: [0, -1],
                ArrowRight: [0, 1],
                Home: [-state.n, -state.n],
                End: [state.n, state.n],
              }[event.key];
              if (by) {
                event.preventDefault();
                event.stopPropagation();
                move(cursor.i + by[0], cursor.j + by[1]);
              }
              if (event.key === 'Enter' || event.key === ' ') {
                event.preventDefault();
                state.onSelect?.(cursor.i);
              }
            },
          },
        });
        const caption = element('figcaption', {}, panel.caption ?? panel.title);
        grid.append(element('figure', { class: 'panel', 'data-lit': panel.lit ?? null, 'data-panel': panel.key }, caption, canvas));
        return { canvas, caption };
      });
    }
    function update(changes) {
      const same = !changes.panels || changes.panels.map((p) => p.key).join() === state.panels.map((p) => p.key).join();
      if (changes.n && changes.n !== state.n) cursor.on = false;
      state = { ...state, ...changes };
      if (same) shown.forEach(({ caption }, k) => caption.replaceChildren(state.panels[k].caption ?? state.panels[k].title));
      else {
        grid.replaceChildren();
        build();
      }
      say();
      paint();
      paintLegend();
    }
    build();
    update({});
    espalier.onTheme(() => {
      paint();
      paintLegend();
    });
    new ResizeObserver(paint).observe(grid);
    return { element: host, update, cursor, move };
  }
  espalier.matrixPanels = matrixPanels;
})();
