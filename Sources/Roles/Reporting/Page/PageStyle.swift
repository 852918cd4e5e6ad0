/// How pages look, on light and dark screens and on paper.
enum PageStyle {
    static let text = """
        :root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
          --card: #f6f8fa; --line: #d0d7de; --good: #1a7f37; --fair: #9a6700; --bad: #cf222e; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117; --card: #161b22;
            --line: #30363d; --good: #3fb950; --fair: #d29922; --bad: #f85149; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; color: var(--ink);
          background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
        h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
        h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .8rem;
          border-top: 1px solid var(--line); }
        p.lead { color: var(--soft); margin-top: 0; max-width: 50rem; }
        .cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
        .card { flex: 1 1 10rem; background: var(--card); border: 1px solid var(--line);
          border-radius: 8px; padding: .7rem 1rem; }
        .card b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
        .card span, figcaption, .soft { color: var(--soft); font-size: .875rem; }
        figure { margin: 1rem 0; }
        figure svg { display: block; width: 100%;
          min-width: 44rem; height: auto; color: var(--ink); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; min-width: 50%; font-size: .875rem;
          font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
        th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
          vertical-align: top; }
        th { color: var(--soft); font-weight: 600; white-space: nowrap; }
        td.n, th.n { text-align: right; white-space: nowrap; }
        td:not(:last-child) { white-space: nowrap; } td:nth-child(10) { min-width: 16rem; }
        td:nth-child(1), td:nth-child(2) { white-space: normal; min-width: 7.2rem; }
        td:nth-child(4) { white-space: normal; }
        .v { white-space: nowrap; font-weight: 600; }
        .agrees, .holds { color: var(--good); } .near { color: var(--fair); }
        .differs, .fails { color: var(--bad); } .input, .noresult { color: var(--soft); }
        .clash { border-left: 3px solid var(--fair); padding-left: .5rem; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
        dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        nav a { margin-right: .9rem; } a { color: inherit; }
        details > summary { cursor: pointer; color: var(--soft); }
        @media print { body { max-width: none; } h2 { break-after: avoid; }
          figure, tr { break-inside: avoid; } }
        """
}
