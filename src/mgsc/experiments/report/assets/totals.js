// Total reward of every agent: each seed a dot, the mean with its interval, the optimum.

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const jitter = (index) => ((GOLDEN * (index + 1)) % 1) - 0.5;

function drawTotals(container, suite) {
  const { agents, optimal, steps } = suite.totals;
  const width = container.clientWidth;
  const isNarrow = width < 620;
  const row = isNarrow ? 58 : 44;
  const box = {
    left: isNarrow ? 8 : 190, right: width - (isNarrow ? 10 : 140), top: 26, bottom: 26 + row * agents.length,
  };
  const all = agents.flatMap((agent) => [...agent.seeds, ...agent.interval]).concat(optimal).filter(isNumber);
  const [low, high] = [Math.min(0, ...all), Math.max(...all)];
  const x = scaleOf(low - 0.02 * (high - low), high + 0.02 * (high - low), box.left, box.right);
  const svg = svgFigure(width, box.bottom + 44, `Total reward: ${describeTotals(suite)}`);
  svg.append(frame(box, x, null, { x: `total reward of ${withCommas(steps)} steps` }));
  if (isNumber(optimal)) svg.append(...optimumMark(x(optimal), box, optimal, isNarrow));
  agents.forEach((agent, i) => {
    const middle = box.top + row * (i + 0.5);
    svg.append(totalsRow(suite, i, x, middle, box, isNarrow, row));
  });
  container.replaceChildren(svg);
}

function describeTotals(suite) {
  return suite.totals.agents
    .map((agent, i) => `${suite.agents[i].name} ${agent.texts[0]}`)
    .join("; ");
}

function optimumMark(place, box, optimal) {
  return [
    draw("line", { x1: place, x2: place, y1: box.top, y2: box.bottom, class: "optimum" }),
    label(place, box.top - 9, `best ε-soft policy: ${brief(optimal)}`, { "text-anchor": "end" }),
  ];
}

function totalsRow(suite, index, x, middle, box, isNarrow, row) {
  const agent = suite.agents[index];
  const { seeds, interval: bounds, label: text } = suite.totals.agents[index];
  const group = draw("g", { class: "row" });
  const nameY = isNarrow ? middle - row / 2 + 13 : middle + 4;
  const name = isNarrow
    ? label(box.left, nameY, agent.name, { class: "label strong" })
    : label(box.left - 12, nameY, agent.name, { "text-anchor": "end", class: agent.isFeatured ? "label strong" : "label" });
  const value = label(isNarrow ? box.right : box.right + 12, nameY, text, {
    "text-anchor": isNarrow ? "end" : "start", class: agent.isFeatured ? "label strong" : "label",
  });
  const [dotsY, meanY] = isNarrow ? [middle + 16, middle] : [middle + 8, middle - 9];
  seeds.forEach((total, i) => group.append(draw("circle", {
    cx: x(total), cy: dotsY + 12 * jitter(i), r: 2.6, fill: agentColour(agent), class: "dot",
    onpointerenter: (event) =>
      showTip(agent.name, [[null, `seed ${suite.seeds[i]}`, brief(total)]], event.clientX, event.clientY),
    onpointerleave: hideTip,
  })));
  if (isNumber(bounds[1])) group.append(whiskers(x(bounds[1]), x(bounds[2]), meanY));
  group.append(marker(agent, 3.4, { transform: `translate(${x(bounds[0])},${meanY})` }), name, value);
  group.append(meanTarget(suite, index, x, meanY));
  return group;
}

function whiskers(from, to, y) {
  return draw("path", { d: `M${from},${y - 7}v14M${to},${y - 7}v14M${from},${y}H${to}`, class: "whiskers" });
}

// Wider than what is seen of the mean, so that it is easily pointed at.
function meanTarget(suite, index, x, y) {
  const { interval: [mean, low, high], texts } = suite.totals.agents[index];
  const [from, to] = isNumber(low) ? [x(low), x(high)] : [x(mean), x(mean)];
  const text = `${(100 * suite.level).toFixed(0)} % interval of ${suite.seeds.length} seeds`;
  return draw("rect", {
    x: from - 7, y: y - 8, width: to - from + 14, height: 16, fill: "transparent",
    onpointerenter: (event) => showTip(
      suite.agents[index].name,
      [[null, "mean", texts[0]], ...(isNumber(low) ? [[null, text, `${texts[1]} … ${texts[2]}`]] : [])],
      event.clientX, event.clientY,
    ),
    onpointerleave: hideTip,
  });
}
