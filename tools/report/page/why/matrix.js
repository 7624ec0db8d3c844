// matrix.js: dense linear algebra for matrices of at most a hundred or so weights, as arrays of rows. No DOM: node's
// tests run this file as it is.
espalier.matrix = (() => {
  const zeros = (rows, cols = rows) => Array.from({ length: rows }, () => new Array(cols).fill(0));
  const identity = (n, scale = 1) =>
    zeros(n).map((row, i) => {
      row[i] = scale;
      return row;
    });
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const norm = (v) => Math.sqrt(dot(v, v));
  const times = (m, v) => m.map((row) => dot(row, v));
  const scaled = (v, s) => v.map((x) => s * x);
  const add = (a, b, s = 1) => a.map((v, i) => v + s * b[i]);
  /** m + lambda I. */
  const damped = (m, lambda) => m.map((row, i) => row.map((v, j) => (i === j ? v + lambda : v)));
  /** m[rows][cols]. */
  const part = (m, rows, cols = rows) => rows.map((i) => cols.map((j) => m[i][j]));

  /** L with L L' = m; null if m is not positive definite in float64. */
  function cholesky(m) {
    const n = m.length,
      l = zeros(n);
    for (let i = 0; i < n; ++i)
      for (let j = 0; j <= i; ++j) {
        let sum = m[i][j];
        for (let k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
        if (i !== j) l[i][j] = sum / l[j][j];
        else if (sum > 0) l[i][i] = Math.sqrt(sum);
        else return null;
      }
    return l;
  }

  /** x with L L' x = b. */
  function solveWith(l, b) {
    const n = l.length,
      x = b.slice();
    for (let i = 0; i < n; ++i) {
      for (let k = 0; k < i; ++k) x[i] -= l[i][k] * x[k];
      x[i] /= l[i][i];
    }
    for (let i = n - 1; i >= 0; --i) {
      for (let k = i + 1; k < n; ++k) x[i] -= l[k][i] * x[k];
      x[i] /= l[i][i];
    }
    return x;
  }

  function factor(m, what) {
    const l = cholesky(m);
    if (l === null) throw new Error(`${what} is not positive definite in float64; raise lambda`);
    return l;
  }
  const solve = (m, b) => solveWith(factor(m, 'the matrix'), b);
  function inverse(m) {
    const l = factor(m, 'the matrix'),
      n = m.length;
    const columns = identity(n).map((e) => solveWith(l, e));
    return columns.map((row, i) => row.map((v, j) => (v + columns[j][i]) / 2)); // symmetric to the last bit
  }

  /** A symmetric matrix from its lower triangle, row by row. */
  function fromTriangle(values, n) {
    const m = zeros(n);
    for (let i = 0, at = 0; i < n; ++i) for (let j = 0; j <= i; ++j, ++at) m[i][j] = m[j][i] = values[at];
    return m;
  }
  const flat = (m) => m.flat();
  /** <a, b> / (|a| |b|) of matrices as vectors of their entries. */
  const cosine = (a, b) => dot(flat(a), flat(b)) / (norm(flat(a)) * norm(flat(b)));
  /** Share of the squared entries within diagonal blocks of `block` weights. */
  function massInBlocks(m, block) {
    let inside = 0,
      all = 0;
    m.forEach((row, i) =>
      row.forEach((v, j) => {
        all += v * v;
        if (Math.floor(i / block) === Math.floor(j / block)) inside += v * v;
      }),
    );
    return inside / all;
  }

  return {
    zeros,
    identity,
    dot,
    norm,
    times,
    scaled,
    add,
    damped,
    part,
    cholesky,
    solveWith,
    solve,
    inverse,
    fromTriangle,
    flat,
    cosine,
    massInBlocks,
  };
})();
