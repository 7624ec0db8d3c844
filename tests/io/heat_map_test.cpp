// Heat maps: gnuplot draws them from the data beside the script. ESPALIER_PLOT_DIR keeps them to look at.
#include "framework/io/heat_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "framework/io/atomic_file.h"
#include "framework/io/plot.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

HeatMaps waves(Index cells, double linear) {
  HeatMaps maps{.title = "it's a \"wave\": 50 %",
                .note = "a note",
                .axis_title = "weight",
                .value_title = "value",
                .cells = cells,
                .per_cell = 2,
                .limit = 0.5,
                .linear = linear};
  for (const char* label : {"first", "second"}) {
    HeatMaps::Panel panel{.label = label};
    for (Index i = 0; i < cells * cells; ++i)
      panel.values.push_back(std::sin(0.1 * static_cast<double>(i)) * (label[0] == 's' ? 0.01 : 1));
    maps.panels.push_back(panel);
  }
  return maps;
}

TEST(HeatMaps, AreDrawnFromTheDataBesideThem) {
  const testing::TempFolder folder;
  const char* chosen = std::getenv("ESPALIER_PLOT_DIR");
  const std::filesystem::path at = chosen ? std::filesystem::path(chosen) : folder.path();
  for (const auto& [name, maps] :
       {std::pair{"linear", waves(30, 0)}, {"logarithmic", waves(601, 0.02)}, {"one", waves(1, 0.1)}}) {
    EXPECT_EQ(write_heat_maps(at / name, maps), gnuplot_available()) << name;
    const std::string data = read_whole_file(at / (std::string(name) + ".f32"));
    const auto cells = static_cast<std::size_t>(maps.cells * maps.cells);
    ASSERT_EQ(data.size(), 2 * cells * sizeof(float));
    float last = 0;
    std::memcpy(&last, data.data() + data.size() - sizeof last, sizeof last);
    EXPECT_EQ(last, static_cast<float>(maps.panels[1].values.back()));
    if (gnuplot_available()) {
      EXPECT_EQ(read_whole_file(at / (std::string(name) + ".png")).substr(1, 3), "PNG");
    }
  }
}

TEST(HeatMaps, APanelOfAnotherSizeIsRefused) {
  const testing::TempFolder folder;
  HeatMaps maps = waves(5, 0);
  maps.panels[1].values.pop_back();
  testing::expect_error(ExitCode::internal, {"second", "24", "5 x 5"},
                        [&] { write_heat_maps(folder / "a", maps); });
}

}  // namespace
}  // namespace espalier
