# assets.cmake: what the page of `espalier report` is made of, embedded into the program at build time.
# A new section is one file and one line here; sections appear in this order.
set(REPORT_HAPPENED
  happened/verdict.js
  happened/notices.js
  happened/differences.js
  happened/summary.js
  happened/slider.js
  happened/accuracy_sparsity.js
  happened/overlay.js
  happened/sweep.js
  happened/reproduce.js
  happened/training.js
  happened/classes.js
  happened/sparsity.js
  happened/prediction.js
  happened/weights.js
  happened/saliency.js
  happened/filters.js
  happened/inputs.js
  happened/curvature.js
  happened/repeat.js
)
set(REPORT_WHY
  why/matrix.js
  why/quadratic.js
  why/woodbury.js
  why/formula.js
  why/tour_check.js
  why/tour_data.js
  why/matrix_view.js
  why/loss_line.js
  why/matrices.js
  why/likeness.js
  why/blocks.js
  why/recursion.js
  why/surface.js
  why/two_weights.js
  why/one_weight.js
  why/k_weights.js
  why/lesson.js
)
set(REPORT_STYLES style.css why/tour.css)
set(REPORT_SCRIPTS page.js colours.js controls.js spec.js figure.js chart.js runs.js ${REPORT_HAPPENED} ${REPORT_WHY} start.js)

# Modules of Vega in the order of their dependencies; maps, force layouts and word clouds are left out.
set(REPORT_VEGA_MODULES util time format loader dataflow scale canvas scenegraph statistics expression selection functions
                        runtime event-selector parser view encode transforms view-transforms interpreter)
find_path(VEGA_FOLDER vega-parser.min.js PATHS /usr/share/javascript/vega NO_CACHE)
if(NOT VEGA_FOLDER)
  message(FATAL_ERROR "Vega, which draws the charts of `espalier report`, is missing: install Debian's package libjs-vega "
                      "(tools/install-packages does), or give -DVEGA_FOLDER=DIR with its vega-*.min.js")
endif()
find_file(VEGA_LICENCE copyright PATHS /usr/share/doc/libjs-vega ${VEGA_FOLDER} NO_DEFAULT_PATH NO_CACHE)
if(NOT VEGA_LICENCE)
  message(FATAL_ERROR "Vega's licence is missing: /usr/share/doc/libjs-vega/copyright, or copyright in ${VEGA_FOLDER}")
endif()

set(REPORT_FOLDER ${CMAKE_CURRENT_LIST_DIR}/page)
set(REPORT_ASSETS_CPP ${CMAKE_BINARY_DIR}/report_assets.cpp)
set(report_inputs page.html ${REPORT_STYLES} vega_modules.js ${REPORT_SCRIPTS})
list(TRANSFORM report_inputs PREPEND ${REPORT_FOLDER}/)
add_custom_command(
  OUTPUT ${REPORT_ASSETS_CPP}
  COMMAND ${CMAKE_COMMAND} "-DFOLDER=${REPORT_FOLDER}" "-DVEGA_FOLDER=${VEGA_FOLDER}" "-DVEGA_LICENCE=${VEGA_LICENCE}"
          "-DSCRIPTS=${REPORT_SCRIPTS}" "-DSTYLES=${REPORT_STYLES}" "-DVEGA_MODULES=${REPORT_VEGA_MODULES}" "-DOUTPUT=${REPORT_ASSETS_CPP}"
          -P ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  DEPENDS ${report_inputs} ${CMAKE_CURRENT_LIST_DIR}/embed.cmake VERBATIM)
