// tour_check.js: whether a tour.json is what the figures take it for. A run folder may hold anything.

/** What is wrong with a tour, as "where: what it should be"; null if nothing is. */
espalier.tourProblem = (() => {
  const number = (v) => typeof v === 'number' && Number.isFinite(v);
  const maybe = (v) => v === null || number(v);
  const text = (v) => typeof v === 'string';
  const object = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
  const list = (of, length) => (v) => Array.isArray(v) && (length === undefined || v.length === length) && v.every(of);
  const count = (most) => (v) => Number.isInteger(v) && v >= 1 && v <= most;
  const shape = (fields) => (v) => object(v) && Object.entries(fields).every(([key, is]) => is(v[key]));
  const kinds = ['hessian', 'sampled_fisher', 'empirical_fisher'];
  const all = (is) => shape(Object.fromEntries(kinds.map((kind) => [kind, is])));
  const like = shape({ cosine: maybe, rank_correlation: maybe });

  const block = (n, examples) =>
    shape({
      names: list(text, n),
      w: list(number, n),
      g: list(number, n),
      removed: (v) => Array.isArray(v),
      rows: (v) => list(shape({ g: list(number, n) }))(v) && v.length > 0,
      matrices: list((m) => all(list(number, (n * (n + 1)) / 2))(m) && like(m.sampled_like) && like(m.empirical_like), examples),
    });
  const picture = (size) =>
    shape({
      filters: list(number),
      per_filter: count(size),
      scale: number,
      examples: number,
      names: list(text, size),
      removed: (v) => Array.isArray(v),
      mass: (v) => list(shape({ block: count(size), hessian: maybe, empirical_fisher: maybe }))(v) && v.length > 0,
      like: list(shape({ examples: number, sampled: like, empirical: like })),
      ...Object.fromEntries(
        kinds.map((kind) => [kind, (v) => text(v) && /^[A-Za-z0-9+/]*=*$/.test(v) && v.length === Math.ceil((size * size) / 3) * 4]),
      ),
    });
  const weight = shape({
    name: text,
    why: text,
    value: number,
    mean_gradient: number,
    inverse_diagonal: number,
    criteria: list(shape({ criterion: text, score: maybe, rank: number })),
    absorbed_by: list(shape({ weight: text, value: number, delta: number })),
    removal: list(shape({ update: text, predicted_loss_change: maybe, measured_loss_change: maybe })),
  });
  const line = (v) =>
    shape({ what: text, weights: number, slope: number, hessian: number, empirical_fisher: number, t: list(number) })(v) &&
    list(maybe, v.t.length)(v.measured);

  return (tour) => {
    if (tour.version !== 1) return `it has version ${JSON.stringify(tour.version)}, and this page reads version 1`;
    const wrong = Object.entries({
      examples: (v) => list(number)(v) && v.length > 0,
      damp: (v) => number(v) && v > 0,
      num_grads: number,
      prunable_weights: number,
      checkpoint: text,
      lines: list(line),
      weights: list(weight),
      layers: (v) => Array.isArray(v) && v.length > 0 && v.every(object),
    }).find(([key, is]) => !is(tour[key]));
    if (wrong) return `"${wrong[0]}" is not what it should be`;
    const bad = tour.layers.findIndex((layer) => {
      const n = layer.block?.w?.length,
        size = layer.picture?.size;
      return !(
        text(layer.name) &&
        number(layer.weights) &&
        count(64)(n) &&
        count(256)(size) &&
        block(n, tour.examples.length)(layer.block) &&
        picture(size)(layer.picture)
      );
    });
    return bad < 0 ? null : `"layers[${bad}]" is not what it should be`;
  };
})();
