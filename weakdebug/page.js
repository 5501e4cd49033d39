"use strict";
// The page fetches itself every two seconds, puts the new figures in the place of
// the old, and draws how each has changed meanwhile.
(() => {
	const period = 2000; // milliseconds
	const kept = 60; // points of a plot
	const narrowest = 12; // A plot of fewer points does not fill its width.
	const series = new Map(); // by container and figure: what was seen last, and the points of its plot
	const state = document.getElementById("state");
	const pause = document.getElementById("pause");
	let timer = 0;
	let paused = false;

	// next returns the point that figure adds to its plot, or undefined if it is not known yet.
	function next(figure, last, millis) {
		const {plot, count, whole} = figure.dataset;
		if (plot === "level") return Number(count);
		if (!last || millis <= last.millis || Number(count) < last.count) return undefined;
		const risen = Number(count) - last.count;
		if (plot === "rate") return risen / (millis - last.millis) * 1000;
		const all = Number(whole) - last.whole;
		return all > 0 ? risen / all : undefined;
	}

	function draw(figure, points, highest) {
		const space = "http://www.w3.org/2000/svg";
		const svg = document.createElementNS(space, "svg");
		svg.setAttribute("class", "plot");
		const width = Math.max(points.length, narrowest) - 1;
		svg.setAttribute("viewBox", `0 0 ${width} 1`);
		svg.setAttribute("preserveAspectRatio", "none");
		svg.setAttribute("aria-hidden", "true");
		figure.append(svg);
		if (points.length === 0) return;
		const first = width + 1 - points.length;
		const steps = points.map((y, i) => `${first + i} ${(1 - y / highest).toFixed(3)}`).join("L");
		for (const [name, d] of [["area", `M${first} 1L${steps}V1z`], ["line", `M${steps}`]]) {
			const path = document.createElementNS(space, "path");
			path.setAttribute("class", name);
			path.setAttribute("d", d);
			svg.append(path);
		}
	}

	function perSecond(rate) {
		const digits = rate > 0 && rate < 10 ? 1 : 0;
		return rate.toLocaleString("en", {maximumFractionDigits: digits}) + "/s";
	}

	// plot adds main's figures to their series and draws these.
	function plot(main) {
		const millis = Number(main.dataset.millis);
		const gone = new Set(series.keys());
		for (const figure of main.querySelectorAll(".figure[data-plot]")) {
			const row = figure.closest("tr");
			const key = JSON.stringify([row ? row.dataset.name : null, figure.dataset.label]);
			gone.delete(key);
			const last = series.get(key);
			const points = last ? last.points : [];
			const point = next(figure, last, millis);
			if (point !== undefined) {
				points.push(point);
				if (points.length > kept) points.shift();
				if (figure.dataset.plot === "rate") figure.querySelector("small").textContent = perSecond(point);
			}
			series.set(key, {millis, count: Number(figure.dataset.count), whole: Number(figure.dataset.whole), points});
			draw(figure, points, figure.dataset.plot === "share" ? 1 : Math.max(...points, 1e-9));
		}
		for (const key of gone) series.delete(key);
	}

	function say(text, kind) {
		state.textContent = text;
		state.className = kind;
	}

	async function refresh() {
		try {
			const answer = await fetch(location.href, {cache: "no-store", signal: AbortSignal.timeout(5 * period)});
			if (!answer.ok) throw new Error(answer.statusText);
			const page = new DOMParser().parseFromString(await answer.text(), "text/html");
			const main = document.adoptNode(page.querySelector("main"));
			plot(main);
			document.querySelector("main").replaceWith(main);
			if (!paused) say("live", "live");
		} catch {
			if (!state.classList.contains("lost")) say("no answer since " + new Date().toLocaleTimeString(), "lost");
		}
		wait();
	}

	// wait sees to the next refresh, unless nobody looks.
	function wait() {
		clearTimeout(timer);
		if (!paused && !document.hidden) timer = setTimeout(refresh, period);
	}

	pause.hidden = false;
	pause.addEventListener("click", () => {
		paused = !paused;
		pause.setAttribute("aria-pressed", paused);
		pause.textContent = paused ? "Go on" : "Pause";
		say(paused ? "paused" : "live", paused ? "paused" : "live");
		wait();
	});
	document.addEventListener("visibilitychange", wait);
	plot(document.querySelector("main"));
	say("live", "live");
	wait();
})();
