"""Dashboard files into Plotly figures."""
