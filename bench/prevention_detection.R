# Draws series and settings by a seed, judges them by farringtonFlexible of the package surveillance and writes
# both as CSV: Rscript prevention_detection.R SEED SETTINGS FOLDER. The numbers are compared in
# prevention_detection.py.
suppressMessages(library(surveillance))
given <- commandArgs(trailingOnly = TRUE)
set.seed(as.integer(given[1]))
settings <- as.integer(given[2])
folder <- given[3]
pick <- function(values) values[[sample.int(length(values), 1)]]
counts <- answers <- controls <- NULL
for (number in seq_len(settings)) {
  kind <- pick(c("week", "week-dates", "week-dates", "month-dates", "day-dates", "month"))
  freq <- switch(substr(kind, 1, 3), wee = 52, mon = 12, day = 365)
  b <- pick(if (kind == "day-dates") 1:2 else 1:6)
  w <- pick(if (freq == 12) 0:2 else 1:5)
  seasons <- pick(if (freq == 12) c(1, 1, 3) else c(1, 1, 2, 5, 10))
  span <- freq * (b + 1) + 2 * w + 30
  dates <- switch(kind,
    "week-dates" = seq(as.Date("2004-01-05") + sample(0:400, 1), by = "1 week", length.out = span),
    "month-dates" = seq(as.Date("2003-03-01"), by = "1 month", length.out = span),
    "day-dates" = seq(as.Date("2010-02-20") + sample(0:800, 1), by = "1 day", length.out = span))
  time <- seq_len(span)
  observed <- sapply(1:4, function(column) {
    mean <- exp(runif(1, -3, 5)) * exp(runif(1, -1, 1) * time / span + runif(1, 0, 1) * sin(2 * pi * time / freq))
    y <- if (runif(1) < 0.4) rpois(span, mean) else rnbinom(span, size = exp(runif(1, -1, 3)), mu = mean)
    if (runif(1) < 0.3) y[sample(span, 5)] <- y[sample(span, 5)] * 10 + 8
    if (runif(1) < 0.1) y[seq_len(max(1, span - 60))] <- 0
    y
  })
  if (runif(1) < 0.35) observed[sample(length(observed), length(observed) * runif(1, 0, 0.15))] <- NA
  population <- matrix(round(exp(runif(1, 2, 12)) * (1 + time / span)), span, 4)
  control <- list(
    b = b, w = w, noPeriods = seasons, pastWeeksNotIncluded = pick(c(w, 0, 2, 26)[if (freq == 12) 1:3 else 1:4]),
    reweight = pick(c(TRUE, TRUE, FALSE)), weightsThreshold = pick(c(1, 2.58, runif(1, 0.5, 4))),
    alpha = pick(c(0.001, 0.01, 0.05, 0.1)), trend = pick(c(TRUE, TRUE, FALSE)),
    pThresholdTrend = pick(c(0.05, 1, 0.3)), limit54 = pick(list(c(5, 4), c(0, 4), c(3, 2))),
    powertrans = pick(c("2/3", "1/2", "none")), populationOffset = pick(c(TRUE, FALSE, FALSE)),
    thresholdMethod = pick(c("delta", "nbPlugin", "muan")))
  for (column in 1:4) {
    series <- if (is.null(dates)) sts(observed[, column], frequency = freq, population = population[, column, drop = FALSE])
      else sts(observed[, column], epoch = dates, frequency = freq, population = population[, column, drop = FALSE])
    for (now in sort(sample((span - 26):span, 3))) {
      found <- try(suppressWarnings(farringtonFlexible(series, c(list(range = now, glmWarnings = FALSE), control))),
        silent = TRUE)
      if (inherits(found, "try-error")) next
      of <- function(name) as.numeric(found@control[[name]])
      answers <- rbind(answers, data.frame(setting = number, series = column, t = now,
        upperbound = as.numeric(upperbound(found)), alarm = as.numeric(alarms(found)), expected = of("expected"),
        mu0 = of("mu0Vector"), phi = of("phiVector"), trend = of("trend"), trendcoef = of("trendVector"),
        score = of("score"), pvalue = of("pvalue")))
    }
    counts <- rbind(counts, data.frame(setting = number, series = column, t = time, freq = freq,
      date = if (is.null(dates)) NA else as.character(dates), observed = observed[, column],
      population = population[, column]))
  }
  limits <- control$limit54
  control$limit54 <- NULL
  controls <- rbind(controls, data.frame(setting = number, kind = kind, control, cases = limits[1], points = limits[2]))
}
write <- function(table, name) {
  for (column in names(table)) if (is.double(table[[column]]))
    table[[column]] <- ifelse(is.na(table[[column]]), NA, sprintf("%.17g", table[[column]]))
  write.csv(table, file.path(folder, name), row.names = FALSE, quote = FALSE, na = "")
}
write(counts, "counts.csv")
write(answers, "answers.csv")
write(controls, "controls.csv")
