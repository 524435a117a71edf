extension ReportPage {
    private static let lightColors = """
        --page: #f7f7f4; --surface: #fefefd; --ink: #0b0b0b; --soft: #52514e; --faint: #7b7973; --grid: #e4e3dc;
        --axis: #c3c2b7; --border: rgba(11, 11, 11, .1); --c0: #2a78d6; --c1: #eb6834; --c2: #1baf7a; --c3: #4a3aa7;
        --span: rgba(42, 120, 214, .12); --sub: #fbe6b8; --del: #f9d3d0; --ins: #cfe3fa;
        """

    private static let darkColors = """
        --page: #0f0f0e; --surface: #1a1a19; --ink: #fff; --soft: #c3c2b7; --faint: #96948c; --grid: #2c2c2a;
        --axis: #4a4a46; --border: rgba(255, 255, 255, .1); --c0: #3987e5; --c1: #d95926; --c2: #199e70; --c3: #9085e9;
        --span: rgba(57, 135, 229, .2); --sub: #574411; --del: #5f2523; --ins: #1d4270;
        """

    /// Paper is light whatever the screen is, and prints colors only on request.
    static let style = """
        :root { color-scheme: light dark; \(lightColors) }
        @media (prefers-color-scheme: dark) { :root { \(darkColors) } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, -apple-system,
          "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
        main { max-width: 1120px; margin: 0 auto; padding: 36px 20px 56px; }
        h1 { font-size: 28px; line-height: 1.2; margin: 0 0 14px; letter-spacing: -.01em; }
        h2 { font-size: 19px; margin: 38px 0 10px; }
        p { max-width: 78ch; margin: 0 0 12px; color: var(--soft); }
        small { font-size: 12.5px; color: var(--faint); font-weight: 400; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 18px 0; }
        .tile, .chart, .transcripts, .facts { background: var(--surface); border: 1px solid var(--border);
          border-radius: 8px; }
        .tile { padding: 14px 16px; display: flex; flex-direction: column; }
        .tile span { color: var(--soft); font-size: 13px; }
        .tile strong { font-size: 22px; font-weight: 600; line-height: 1.4; letter-spacing: -.01em; }
        .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); gap: 14px; }
        .chart { margin: 0; padding: 14px 16px 8px; display: flex; flex-direction: column; min-width: 0; }
        .chart.wide { margin: 0 0 14px; }
        .chart svg { width: 100%; height: auto; display: block; overflow: visible; }
        figcaption { font-weight: 600; margin-bottom: 4px; }
        figcaption small { display: block; }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; color: var(--soft);
          margin-bottom: 6px; }
        .legend b { color: var(--ink); font-weight: 600; margin-left: 3px; font-variant-numeric: tabular-nums; }
        .legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px;
          vertical-align: middle; }
        .note { font-size: 12.5px; margin: 4px 0; color: var(--faint); }
        svg text { font-size: 12px; fill: var(--soft); }
        svg .tick { font-size: 11.5px; fill: var(--faint); font-variant-numeric: tabular-nums; }
        svg .value, svg .name { font-size: 13px; fill: var(--ink); }
        svg .word { font-size: 12.5px; fill: var(--ink); }
        .grid { stroke: var(--grid); stroke-width: 1; fill: none; }
        .axis { stroke: var(--axis); stroke-width: 1; fill: none; }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
        .line.raw { stroke-width: 1; opacity: .28; }
        .line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
        .line.c3 { stroke: var(--c3); }
        .dot { stroke: var(--surface); stroke-width: 2; }
        .dot.c0, .bar.c0 { fill: var(--c0); } .dot.c1, .bar.c1 { fill: var(--c1); }
        .dot.c2, .bar.c2 { fill: var(--c2); } .dot.c3, .bar.c3 { fill: var(--c3); }
        i.c0 { background: var(--c0); } i.c1 { background: var(--c1); } i.c2 { background: var(--c2); }
        i.c3 { background: var(--c3); }
        .hit { fill: transparent; }
        .wave { fill: var(--c0); }
        .span { fill: var(--span); }
        .lead { stroke: var(--axis); stroke-width: 1; }
        .figures { background: var(--surface); border: 1px solid var(--border); border-radius: 8px; overflow-x: auto; }
        .figures table { border-collapse: collapse; width: 100%; }
        .figures th { text-align: left; font-size: 13px; font-weight: 600; color: var(--soft); white-space: nowrap; }
        .figures th, .figures td { padding: 6px 14px; }
        .figures td { border-top: 1px solid var(--grid); overflow-wrap: anywhere; }
        .figures .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
        .transcripts { width: 100%; border-collapse: separate; border-spacing: 0; }
        .transcripts th { text-align: left; vertical-align: top; padding: 10px 14px; font-weight: 600; font-size: 13px;
          width: 1%; white-space: nowrap; }
        .transcripts th small { display: block; }
        .transcripts td { padding: 8px 14px 4px; }
        .transcripts tr + tr > * { border-top: 1px solid var(--grid); }
        .pair { display: inline-flex; flex-direction: column; margin: 0 3px 6px 0; line-height: 1.35; font-size: 14px; }
        .pair span { padding: 1px 5px; border-radius: 4px; min-height: 1.35em; }
        .pair span:first-child { color: var(--soft); }
        .pair.sub span:last-child { background: var(--sub); font-weight: 600; }
        .pair.del span:first-child { background: var(--del); text-decoration: line-through; color: var(--ink); }
        .pair.ins span:last-child { background: var(--ins); text-decoration: underline; }
        .key { max-width: none; }
        .key .pair { vertical-align: middle; margin: 0 4px 0 10px; }
        .faint { color: var(--faint); }
        .facts { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; padding: 14px 16px; margin: 0; }
        .facts dt { color: var(--soft); }
        .facts dd { margin: 0; overflow-wrap: anywhere; }
        @media print {
          :root { color-scheme: light; \(lightColors) --page: #fff; --surface: #fff; }
          body { font-size: 12px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
          main { padding: 0; max-width: none; }
          .charts { grid-template-columns: 1fr 1fr; }
          .tile, .chart, .transcripts tr, .figures tr, .facts { break-inside: avoid; }
          h2 { break-after: avoid; }
        }
        """
}
