/// Colours for light and dark, and larger text where the picture is small. All of it is said of this
/// picture alone, for it may be part of a page.
pub(super) const STYLE: &str = "
.farandole-dance{--sheet:#fff;--line:#e4e1d9;--ink:#1d1e22;--soft:#67645c;--forward:#0f6674;--failure:#9a5b00;--undoing:#b3261e;
--c0:#3f51b5;--c1:#8a5a00;--c2:#1b7a52;--c3:#00658f;--c4:#9c3d7d;--c5:#5d6b1f;--c6:#7a4a2b;--c7:#5a5f6b;
color-scheme:light dark;font:14px Inter,system-ui,sans-serif}
@media (prefers-color-scheme:dark){.farandole-dance{--sheet:#1a1d22;--line:#2c3037;--ink:#e8e6e1;--soft:#9b9ea6;--forward:#5cc3d3;--failure:#f0b057;--undoing:#ff8a7f;
--c0:#95a2ff;--c1:#e0a84a;--c2:#5fcf9d;--c3:#5db8e8;--c4:#e593cb;--c5:#bccb6c;--c6:#d9a582;--c7:#aab0bd}}
.farandole-dance .sheet{fill:var(--sheet);stroke:var(--line)}
.farandole-dance text{fill:var(--ink);paint-order:stroke;stroke:var(--sheet);stroke-width:5px;stroke-linejoin:round}
.farandole-dance .lane path{stroke:var(--c);stroke-width:1.5;opacity:.35}
.farandole-dance .lane circle{fill:var(--c)}
.farandole-dance .name{fill:var(--c);font-weight:600;font-size:16px;text-anchor:middle}
.farandole-dance .initial{fill:var(--sheet);stroke:none;font-weight:700;text-anchor:middle}
.farandole-dance .heading{fill:var(--soft);font-weight:600;font-size:13px}
.farandole-dance .rule{stroke:var(--line)}
.farandole-dance .row{--k:var(--forward)}
.farandole-dance .row.failure{--k:var(--failure)}
.farandole-dance .row.undoing{--k:var(--undoing)}
.farandole-dance .row>path:first-of-type{stroke:var(--k);stroke-width:2.5;fill:none}
.farandole-dance .failure>path:first-of-type{stroke-dasharray:8 5}
.farandole-dance .undoing>path:first-of-type{stroke-dasharray:2 6;stroke-width:3;stroke-linecap:round}
.farandole-dance .failure>text,.farandole-dance .undoing>text{fill:var(--k)}
.farandole-dance .reacts{fill:var(--k,var(--soft));stroke:var(--k,var(--soft));stroke-width:2;stroke-linejoin:round}
.farandole-dance .notes{fill:var(--sheet);stroke:var(--k,var(--soft));stroke-width:2;stroke-linejoin:round}
.farandole-dance .end{fill:var(--sheet);stroke:var(--k,var(--soft));stroke-width:2}
.farandole-dance .row>circle:last-child{fill:var(--c);stroke:var(--sheet);stroke-width:2}
.farandole-dance .says{fill:var(--soft)}
.farandole-dance .within,.farandole-dance .failure>.within,.farandole-dance .undoing>.within{fill:var(--soft);font-size:11px}
.farandole-dance .legend text{fill:var(--soft);font-size:13px}
.farandole-dance .c0{--c:var(--c0)}.farandole-dance .c1{--c:var(--c1)}.farandole-dance .c2{--c:var(--c2)}.farandole-dance .c3{--c:var(--c3)}
.farandole-dance .c4{--c:var(--c4)}.farandole-dance .c5{--c:var(--c5)}.farandole-dance .c6{--c:var(--c6)}.farandole-dance .c7{--c:var(--c7)}
@media (max-width:640px){.farandole-dance text,.farandole-dance .name,.farandole-dance .heading,.farandole-dance .legend text{font-size:23px}
.farandole-dance .initial{font-size:16px}.farandole-dance .within{display:none}}
";
