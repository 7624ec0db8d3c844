# Cost of one pruning step (inverse diagonal, scores, selection, update), seconds on 2 threads of an AMD EPYC, 2026-11-21.
# Measured as solve_seconds of `espalier prune` one-shots; pruning/README.md names the commands. Run: gnuplot cost.gp
set terminal pngcairo size 1100,340 font "Sans,10"
set output "cost.png"
set multiplot layout 1,3
set grid
set logscale xy
set key top left
set xlabel "gradients N"
set ylabel "seconds"
set title "CIFARNet, one block of 116,704 weights"
$n << EOD
100 0.093
200 0.213
400 0.431
800 1.342
1600 4.742
EOD
plot $n with linespoints pt 7 title "solve", 0.431*(x/400)**2 dt 2 title "N^2"
set xlabel "weights d"
set title "N = 400, one block"
$d << EOD
25600 0.119
51200 0.311
79200 0.473
116704 0.535
270896 1.543
EOD
plot $d with linespoints pt 7 title "CIFARNet's layers; ResNet-20", 0.535*(x/116704) dt 2 title "linear"
set xlabel "weights per block c"
set title "CIFARNet, N = 400"
unset logscale y
set yrange [0:1]
$c << EOD
125 0.263
250 0.455
500 0.613
1000 0.526
2000 0.471
4000 0.463
16000 0.652
EOD
plot $c with linespoints pt 7 title "solve"
