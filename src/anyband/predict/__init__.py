"""Maps of whole scenes: any described STAC item through a trained model, tile by tile, into GeoTIFFs."""
