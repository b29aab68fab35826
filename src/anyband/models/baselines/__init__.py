"""The usual ways of using several sensors: specialists, fusions, translation, one HLS model, and floors."""
