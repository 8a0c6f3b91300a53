/**
 * Draws the charts of a report in the reader's browser, from the result that is embedded in the page.
 *
 * Runs as a plain script after uPlot; it is inlined as it stands. Colours come from the style sheet, so
 * that the charts follow the reader's light or dark scheme and print on white.
 */
(() => {
  const { runs } = JSON.parse(document.getElementById('result').textContent);
  const axisWidth = 58;
  const chartHeight = { throughput: 196, latency: 190 };
  const labelBand = 22;
  const font = '12px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif';
  const boldFont = `600 ${font}`;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const showCount = (value) => {
    if (value >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
    return value >= 1e3 ? `${+(value / 1e3).toFixed(1)}k` : String(value);
  };
  const showMs = (value) => {
    if (value >= 1000) return `${+(value / 1000).toPrecision(3)} s`;
    return `${+value.toPrecision(3)} ms`;
  };
  const showTime = (seconds) => `${+seconds.toFixed(1)} s`;

  /** A slice ends where the next begins, the last one with the run; one too short to tell a rate is left out. */
  const columnsOf = (run) => {
    const endMs = run.durationSeconds * 1000;
    const slices = run.slices
      .map((slice, at) => ({ ...slice, untilMs: Math.min(run.slices[at + 1]?.atMs ?? endMs, endMs) }))
      .filter(({ atMs, untilMs }) => untilMs - atMs >= 50);
    return {
      slices,
      seconds: slices.map(({ atMs, untilMs }) => (atMs + untilMs) / 2000),
      throughput: slices.map(({ ok, atMs, untilMs }) => (ok * 1000) / (untilMs - atMs)),
      p50: slices.map(({ p50Ms }) => p50Ms),
      p99: slices.map(({ p99Ms }) => p99Ms),
    };
  };

  const columns = runs.map(columnsOf);
  const highest = (values) => values.reduce((most, value) => Math.max(most, value ?? 0), 0);
  const lowest = (values) => values.reduce((least, value) => Math.min(least, value ?? least), Infinity);

  /** Runs under the same load share their scales, so that their charts can be compared by eye. */
  const scalesOf = (at) => {
    const alike = runs.flatMap((run, other) => (run.clients === runs[at].clients ? [other] : []));
    const latencies = alike.flatMap((other) => [...columns[other].p50, ...columns[other].p99]);
    const measured = latencies.filter((value) => value > 0);
    return {
      seconds: [0, highest(alike.map((other) => runs[other].durationSeconds))],
      throughput: [0, (highest(alike.flatMap((other) => columns[other].throughput)) || 1) * 1.06],
      latency:
        measured.length === 0 ? [1, 10] : [lowest(measured) / 1.6, Math.max(highest(measured) * 1.5, 10)],
    };
  };

  /** Decades; with few of them in sight also their doubles and fives. */
  const latencySplits = ([low, high]) => {
    const splits = (steps) => {
      const all = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        all.push(...steps.map((step) => step * 10 ** power));
      }
      return all.filter((value) => value >= low && value <= high);
    };
    const decades = splits([1]);
    return decades.length >= 3 ? decades : splits([1, 2, 5]);
  };

  const spanOf = (fault, run) => {
    const endMs = run.durationSeconds * 1000;
    return {
      from: fault.atMs / 1000,
      healed: fault.healedAtMs === null ? undefined : fault.healedAtMs / 1000,
      until: (fault.healedAtMs ?? endMs) / 1000,
      firstAck: (fault.firstAckAfterMs === null ? endMs : fault.atMs + fault.firstAckAfterMs) / 1000,
    };
  };

  /** Bands lie under the lines, edges over them, and labels in a band of their own above the plot. */
  const faultLayer = (run, { withLabels }) => {
    const line = (chart, x, dash) => {
      const { ctx, bbox } = chart;
      ctx.setLineDash(dash.map((length) => length * uPlot.pxRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    };
    const drawBands = (chart) => {
      const { ctx, bbox } = chart;
      const band = (from, until, fill) => {
        const left = chart.valToPos(from, 'x', true);
        const width = Math.max(chart.valToPos(until, 'x', true) - left, 0);
        ctx.fillStyle = fill;
        ctx.fillRect(left, bbox.top, width, bbox.height);
      };
      ctx.save();
      for (const fault of run.faults) {
        const { from, until, firstAck } = spanOf(fault, run);
        band(from, until, colour('fault-band'));
        band(from, firstAck, colour('fault-outage'));
      }
      ctx.restore();
    };
    const drawEdges = (chart) => {
      const { ctx } = chart;
      ctx.save();
      ctx.strokeStyle = colour('fault');
      ctx.lineWidth = 1.25 * uPlot.pxRatio;
      for (const fault of run.faults) {
        const { from, healed } = spanOf(fault, run);
        line(chart, chart.valToPos(from, 'x', true), []);
        if (healed !== undefined) line(chart, chart.valToPos(healed, 'x', true), [3, 3]);
      }
      if (withLabels) drawLabels(chart);
      ctx.restore();
    };
    const drawLabels = (chart) => {
      const { ctx, bbox } = chart;
      const ratio = uPlot.pxRatio;
      const radius = 8 * ratio;
      const y = bbox.top - radius - 4 * ratio;
      const right = bbox.left + bbox.width;
      const marks = run.faults.map((fault) => chart.valToPos(fault.atMs / 1000, 'x', true));
      ctx.textBaseline = 'middle';
      run.faults.forEach((fault, at) => {
        const x = marks[at];
        ctx.fillStyle = colour('fault');
        ctx.beginPath();
        ctx.arc(x, y, radius, 0, 2 * Math.PI);
        ctx.fill();
        ctx.fillStyle = colour('paper');
        ctx.textAlign = 'center';
        ctx.font = boldFont.replace('12px', `${11 * ratio}px`);
        ctx.fillText(String(at + 1), x, y + 0.5 * ratio);
        // The words stand beside the mark as far as they end before the next one; the table has them all.
        ctx.font = font.replace('12px', `${12 * ratio}px`);
        const start = x + radius + 5 * ratio;
        const room = Math.min(...marks.filter((other) => other > x), right + radius) - radius - start;
        const name = `${fault.kind} ${fault.target}`;
        const words = [`${name}${outageWords(fault)}`, name, fault.kind].find(
          (candidate) => ctx.measureText(candidate).width <= room,
        );
        if (words === undefined) return;
        ctx.fillStyle = colour('fault');
        ctx.textAlign = 'left';
        ctx.fillText(words, start, y + 0.5 * ratio);
      });
    };
    return { hooks: { drawClear: drawBands, draw: drawEdges } };
  };

  const outageWords = ({ firstAckAfterMs }) => {
    if (firstAckAfterMs === null) return ', no ack after';
    return firstAckAfterMs === 0 ? ', no gap' : `, first ack after ${showMs(firstAckAfterMs)}`;
  };

  const axes = (kind, scales, showValue) => {
    const look = { stroke: colour('muted'), font, grid: { stroke: colour('grid'), width: 1 } };
    const ticks = { stroke: colour('grid'), width: 1, size: 4 };
    const isLowest = kind === 'latency';
    return [
      {
        ...look,
        ticks,
        size: isLowest ? 28 : 8,
        space: 60,
        gap: 4,
        values: (_, splits) => splits.map((seconds) => (isLowest ? showTime(seconds) : '')),
      },
      {
        ...look,
        ticks,
        scale: 'y',
        size: axisWidth,
        gap: 4,
        space: 28,
        ...(isLowest ? { splits: () => latencySplits(scales.latency), filter: (_, splits) => splits } : {}),
        values: (_, splits) => splits.map((value) => (value === null ? '' : showValue(value))),
      },
    ];
  };

  /**
   * A step from the start to the end of every slice; the pen is up where there is no value. uPlot's own
   * steps run from point to point, so they leave out the slice before a gap.
   */
  const stepsOver = (slices) => (chart, seriesAt) => {
    const stroke = new Path2D();
    const fill = new Path2D();
    const baseline = chart.bbox.top + chart.bbox.height;
    let isPenUp = true;
    slices.forEach(({ atMs, untilMs }, at) => {
      const value = chart.data[seriesAt][at];
      if (value === null) {
        isPenUp = true;
        return;
      }
      const left = chart.valToPos(atMs / 1000, 'x', true);
      const right = chart.valToPos(untilMs / 1000, 'x', true);
      const y = chart.valToPos(value, 'y', true);
      if (isPenUp) stroke.moveTo(left, y);
      else stroke.lineTo(left, y);
      stroke.lineTo(right, y);
      fill.rect(left, y, right - left, baseline - y);
      isPenUp = false;
    });
    return { stroke, fill, clip: null, band: null, gaps: null };
  };

  const series = (label, stroke, slices, more = {}) => ({
    label,
    stroke: colour(stroke),
    width: 1.75,
    paths: stepsOver(slices),
    points: { show: false },
    ...more,
  });

  const readoutOf = (kind, at) => document.querySelector(`[data-readout="${kind}"][data-run="${at}"]`);

  const showReadout = (kind, at, words) => (chart) => {
    const { idx } = chart.cursor;
    const slice = idx === null || idx === undefined ? undefined : columns[at].slices[idx];
    readoutOf(kind, at).textContent =
      slice === undefined
        ? ''
        : `${(slice.atMs / 1000).toFixed(1)} to ${(slice.untilMs / 1000).toFixed(1)} s: ${words(idx)}`;
  };

  const chartOf = (place) => {
    const { chart: kind, run: index } = place.dataset;
    const at = Number(index);
    const run = runs[at];
    const { slices, seconds, throughput, p50, p99 } = columns[at];
    const scales = scalesOf(at);
    const isThroughput = kind === 'throughput';
    const ms = (value) => (value === null ? 'none ended' : showMs(value));
    const words = isThroughput
      ? (idx) => `${showCount(Math.round(throughput[idx]))}/s`
      : (idx) => `p50 ${ms(p50[idx])}, p99 ${ms(p99[idx])}`;
    const options = {
      width: place.clientWidth,
      height: chartHeight[kind],
      padding: [isThroughput && run.faults.length > 0 ? labelBand : 8, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: `run-${at}` }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: scales.seconds },
        y: isThroughput ? { range: scales.throughput } : { distr: 3, log: 10, range: scales.latency },
      },
      axes: axes(kind, scales, isThroughput ? showCount : showMs),
      series: isThroughput
        ? [{}, series('ok per second', 'throughput', slices, { fill: colour('throughput-fill') })]
        : [{}, series('p50', 'p50', slices), series('p99', 'p99', slices)],
      plugins: [faultLayer(run, { withLabels: isThroughput })],
      hooks: { setCursor: [showReadout(kind, at, words)] },
    };
    const data = isThroughput ? [seconds, throughput] : [seconds, p50, p99];
    return new uPlot(options, data, place);
  };

  const places = [...document.querySelectorAll('[data-chart]')];
  let charts = [];
  const drawAll = () => {
    for (const chart of charts) chart.destroy();
    charts = places.map(chartOf);
  };

  drawAll();
  window.addEventListener('resize', drawAll);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  window.addEventListener('beforeprint', () => {
    document.documentElement.dataset.theme = 'light';
    drawAll();
  });
  window.addEventListener('afterprint', () => {
    delete document.documentElement.dataset.theme;
    drawAll();
  });
})();
