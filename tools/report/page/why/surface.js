// surface.js: the quadratic model's loss over two weights as contours, with arrows from the point to where methods go.

/** An SVG element. */
espalier.svg = (tag, attributes, ...children) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

/**
 * Adds a square picture to `host` and returns paint({w, g, H, names, moves}): moves are {key, name, delta, dash}, drawn in the
 * colours of their methods; equal ones side by side. An arrow that ends on an axis removes the weight that is zero there.
 */
espalier.surface = (() => {
  const { add, dot, times, inverse, cholesky } = espalier.matrix;
  const { svg } = espalier;
  const size = 460,
    rings = 12,
    points = 96;
  let surfaces = 0;

  /** Contours: ellipses (v - low)' H (v - low) = r^2, r in even steps over what the window shows. */
  function contours(H, low, reach, point, theme) {
    const radius = (v) => {
      const d = add(v, low, -1);
      return Math.sqrt(dot(d, times(H, d)));
    };
    const grid = Array.from({ length: 41 }, (_, i) => reach * (i / 20 - 1));
    const seen = grid.flatMap((x) => grid.map((y) => radius([x, y])));
    const from = low.every((v) => Math.abs(v) < reach) ? 0 : Math.min(...seen),
      to = Math.max(...seen);
    const l = cholesky(H);
    return Array.from({ length: rings }, (_, k) => {
      const r = from + ((to - from) * (rings - k)) / rings;
      const ring = Array.from({ length: points }, (__, t) => {
        const u = [r * Math.cos((2 * Math.PI * t) / points), r * Math.sin((2 * Math.PI * t) / points)];
        const y = u[1] / l[1][1]; // v with L' v = u
        return point(add(low, [(u[0] - l[1][0] * y) / l[0][0], y]));
      });
      return svg('polygon', {
        points: ring.map((p) => p.map((c) => c.toFixed(2)).join(',')).join(' '),
        fill: theme.text,
        'fill-opacity': 0.022,
        stroke: theme.muted,
        'stroke-opacity': 0.5,
        'stroke-width': 0.8,
      });
    });
  }

  function arrows(start, moves, point, id, reach) {
    const ends = [];
    return moves.map(({ key, delta, dash }) => {
      const end = add(start, delta);
      const beside = ends.filter((e) => Math.hypot(...add(e, end, -1)) < 0.02 * reach).length;
      ends.push(end);
      const a = point(start),
        b = point(end),
        along = add(b, a, -1),
        length = Math.hypot(...along) || 1;
      const off = [-along[1], along[0]].map((v) => (5 * beside * v) / length);
      const [[x1, y1], [x2, y2]] = [add(a, off), add(b, off)];
      return svg('line', {
        x1,
        y1,
        x2,
        y2,
        stroke: espalier.methodColour(key),
        'stroke-width': 2.6,
        'stroke-dasharray': dash || undefined,
        'marker-end': `url(#${id}-${key})`,
        'data-method': key,
      });
    });
  }

  return (host) => {
    const id = `surface-${++surfaces}`,
      root = svg('svg', { viewBox: `0 0 ${size} ${size}`, class: 'surface', role: 'img' });
    host.append(root);
    return ({ w, g, H, names, moves }) => {
      const theme = espalier.theme(),
        low = add(w, times(inverse(H), g), -1); // where the surface is lowest
      const shown = [...w, ...moves.flatMap(({ delta }) => add(w, delta)), ...low.map((v) => Math.sign(v) * Math.min(Math.abs(v), 2))];
      const reach = 1.25 * Math.max(0.4, ...shown.map(Math.abs));
      const point = ([x, y]) => [(size / 2) * (1 + x / reach), (size / 2) * (1 - y / reach)];
      const heads = moves.map(({ key }) =>
        svg(
          'marker',
          { id: `${id}-${key}`, viewBox: '0 0 10 10', refX: 8, refY: 5, markerWidth: 6, markerHeight: 6, orient: 'auto' },
          svg('path', { d: 'M0,0 L10,5 L0,10 z', fill: espalier.methodColour(key) }),
        ),
      );
      const text = (x, y, words, more = {}) =>
        svg(
          'text',
          { x, y, 'font-size': 12, fill: theme.text, 'paint-order': 'stroke', stroke: theme.background, 'stroke-width': 3, ...more },
          words,
        );
      const half = size / 2,
        axis = { stroke: theme.text, 'stroke-width': 1.4 };
      const [lowX, lowY] = point(low),
        [x, y] = point(w),
        right = lowX > 0.8 * size;
      root.replaceChildren(
        svg('defs', {}, ...heads),
        ...contours(H, low, reach, point, theme),
        svg('line', { x1: half, y1: 0, x2: half, y2: size, ...axis }),
        svg('line', { x1: 0, y1: half, x2: size, y2: half, ...axis }),
        text(half + 5, 14, `${names[0]} = 0`),
        text(6, half - 6, `${names[1]} = 0`),
        svg('circle', { cx: lowX, cy: lowY, r: 4, fill: 'none', stroke: theme.muted, 'stroke-width': 1.5 }),
        // Under the arrows, and on the side away from w, where they come from.
        text(lowX + (right ? -7 : 7), lowY + (y > lowY ? -10 : 18), 'minimum', { fill: theme.muted, 'text-anchor': right ? 'end' : 'start' }),
        ...arrows(w, moves, point, id, reach),
        svg('circle', { cx: x, cy: y, r: 5.5, fill: theme.text }),
        text(x + 9, y - 7, 'w', { 'font-style': 'italic', 'font-size': 15 }),
      );
      root.setAttribute(
        'aria-label',
        `Contours of the loss over ${names.join(' and ')}, with arrows from the weights to where ${moves.map((m) => m.name).join(', ')} go`,
      );
    };
  };
})();
