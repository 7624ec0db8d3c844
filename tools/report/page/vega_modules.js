// vega_modules.js: Debian's libjs-vega has Vega as separate modules; this joins those a report needs. The build puts
// each between the two halves of this file as vega_module('name', function (exports, module, require) { ... }).
const vega_modules = {};
const vega_require = (name) => {
  if (!(name in vega_modules)) throw new Error(`Vega's module ${name} is not in tools/report/assets.cmake`);
  return vega_modules[name];
};
const vega_module = (name, define) => {
  const module = { exports: {} };
  define(module.exports, module, vega_require);
  vega_modules[name] = module.exports;
};
// ---- modules ----
Object.assign(vega_require('vega-dataflow').transforms, vega_require('vega-transforms'),
  vega_require('vega-view-transforms'), vega_require('vega-encode'));
const vega = {
  parse: vega_require('vega-parser').parse,
  View: vega_require('vega-view').View,
  expressionInterpreter: vega_require('vega-interpreter').expressionInterpreter,
};
